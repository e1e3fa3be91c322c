//! The kept values of all parameters in one row.

use std::ops::Range;

use crate::{Graph, Kept, Parameter, ParameterId};

/// Layout of a row: the parameters in the graph's order, and for each its kept values by ascending position.
///
/// Pruned weights have no place in a row, so that linear algebra on rows is as small as the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLayout {
    parameters: Vec<OfParameter>,
}

/// The entry of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OfParameter {
    place: Range<usize>,
    /// Number of values in the whole parameter.
    len: usize,
    /// Positions of the kept values; `None` if nothing is pruned.
    kept: Option<Vec<usize>>,
}

impl RowLayout {
    /// The layout for a graph with these kept weights.
    ///
    /// # Panics
    /// If the length of a kept pattern is not that of its parameter.
    pub fn new(graph: &Graph, kept: &Kept) -> Self {
        let mut end = 0;
        let of_parameter = |(id, parameter): (ParameterId, &Parameter)| {
            let len = parameter.shape.iter().product();
            let kept = kept.get(id).and_then(Option::as_ref).map(|kept| -> Vec<usize> {
                assert_eq!(kept.len(), len, "values of the kept pattern, and of `{}`", parameter.name);
                (0..len).filter(|&position| kept[position]).collect()
            });
            let start = end;
            end += kept.as_ref().map_or(len, Vec::len);
            OfParameter { place: start..end, len, kept }
        };
        Self { parameters: graph.parameters.iter().enumerate().map(of_parameter).collect() }
    }

    /// Number of values in a row.
    pub fn width(&self) -> usize {
        self.parameters.last().map_or(0, |parameter| parameter.place.end)
    }

    /// Range of a parameter's values in a row.
    pub fn place(&self, parameter: ParameterId) -> Range<usize> {
        self.parameters[parameter].place.clone()
    }

    /// Number of values in a whole parameter, kept or not.
    pub(crate) fn len_of(&self, parameter: ParameterId) -> usize {
        self.parameters[parameter].len
    }

    /// Writes the kept values of a parameter into a row.
    pub(crate) fn write(&self, parameter: ParameterId, values: &[f32], row: &mut [f32]) {
        let OfParameter { place, kept, .. } = &self.parameters[parameter];
        let row = &mut row[place.clone()];
        match kept {
            Some(kept) => row.iter_mut().zip(kept).for_each(|(to, &position)| *to = values[position]),
            None => row.copy_from_slice(values),
        }
    }

    /// Makes a row of the kept values of all parameters.
    ///
    /// # Panics
    /// If the tensors do not have the shapes of the graph's parameters.
    pub fn gather(&self, tensors: &[Vec<f32>]) -> Vec<f32> {
        assert_eq!(tensors.len(), self.parameters.len(), "tensors, and parameters of the graph");
        let mut row = vec![0.0; self.width()];
        tensors.iter().enumerate().for_each(|(id, values)| self.write(id, values, &mut row));
        row
    }

    /// Makes values of all parameters from a row, with zeros at pruned weights.
    ///
    /// # Panics
    /// If the row is shorter than this layout's width.
    pub fn scatter(&self, row: &[f32]) -> Vec<Vec<f32>> {
        let of_parameter = |OfParameter { place, len, kept }: &OfParameter| match kept {
            Some(kept) => {
                let mut values = vec![0.0; *len];
                kept.iter().zip(&row[place.clone()]).for_each(|(&position, value)| values[position] = *value);
                values
            }
            None => row[place.clone()].to_vec(),
        };
        self.parameters.iter().map(of_parameter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    #[test]
    fn a_row_holds_what_is_kept_in_order_and_scatters_back() {
        let (mut builder, input) = GraphBuilder::new("test", [2, 4, 4]);
        let conv = builder.conv2d("conv", input, 2, 1, 1, 0);
        let pool = builder.global_avg_pool("pool", conv);
        builder.linear("fc", pool, 2);
        let layout = RowLayout::new(&builder.finish(), &vec![Some(vec![false, true, false, true]), None]);
        let tensors = [vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0], vec![9.0, 10.0]];
        let row = layout.gather(&tensors);
        assert_eq!(row, [2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert_eq!((layout.width(), layout.place(1)), (8, 2..6));
        assert_eq!(layout.scatter(&row), [vec![0.0, 2.0, 0.0, 4.0], tensors[1].clone(), tensors[2].clone()]);
    }
}
