//! Influence foretells what removing training samples does: on logistic regression, the losses of held-out images after one
//! Newton step against those after training without the samples.
placeholder
