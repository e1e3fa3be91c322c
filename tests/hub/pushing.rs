//! Files are pushed to the Hub: small ones in the commit, large ones by Git LFS, and either all of them or none.

use unlearn_hub::{Addition, Error, Hub, Kind, Options, Pushed};
use unlearn_tests::{Fault, TOKEN};

use super::{MODEL, Place, model, reference};

const NEW: &str = "someone/unlearned";

fn push(hub: &Hub, files: &[(&str, &[u8])]) -> Result<Pushed, Error> {
    let additions: Vec<_> =
        files.iter().map(|(name, bytes)| Addition { name: (*name).into(), bytes: bytes.to_vec() }).collect();
    hub.push(&reference(&format!("hub:{NEW}")), Kind::Model, &additions, "a model that forgot", false)
}

fn writer(place: &Place) -> Hub {
    Hub::new(Options { token: Some(TOKEN.into()), ..place.options() })
}

#[test]
fn files_are_there_afterwards_and_fetched_back_the_same() {
    let place = Place::new();
    let (hub, model) = (writer(&place), model(2));
    let pushed = push(&hub, &[(MODEL, &model), ("README.md", b"# A model\n")]).unwrap();
    assert_eq!(pushed.url, format!("{}/{NEW}/commit/{}", place.server.endpoint(), pushed.commit));
    assert_eq!(place.server.file(NEW, MODEL).unwrap(), model);
    assert_eq!(place.server.file(NEW, "README.md").unwrap(), b"# A model\n");
    assert_eq!(place.server.messages(NEW), ["a model that forgot"]);
    let fetched = place.hub().fetch(&reference(&format!("hub:{NEW}")), Kind::Model, MODEL).unwrap();
    assert_eq!((std::fs::read(fetched.path).unwrap(), fetched.commit), (model.clone(), pushed.commit));

    // The second push leaves the large file unchanged, so its content is not sent again.
    place.server.requests();
    push(&hub, &[(MODEL, &model), ("README.md", b"# The model\n")]).unwrap();
    let requests = place.server.requests();
    assert!(!requests.iter().any(|line| line.starts_with("PUT")), "{requests:?}");
    assert_eq!(place.server.file(NEW, "README.md").unwrap(), b"# The model\n");
}

#[test]
fn content_is_sent_without_the_token_and_again_after_a_passing_failure() {
    let place = Place::new();
    place.server.fail("PUT", 2, Fault::Status(503, vec![]));
    push(&writer(&place), &[(MODEL, &place.model)]).unwrap();
    let requests = place.server.requests();
    let (content, api): (Vec<_>, Vec<_>) = requests.iter().partition(|line| line.contains("/content/"));
    assert!(content.len() == 3 && content.iter().all(|line| !line.contains("authorized")), "{requests:?}");
    assert!(api.len() == 4 && api.iter().all(|line| line.ends_with("authorized")), "{requests:?}");
}

#[test]
fn refusals_say_what_is_missing_and_leave_nothing() {
    let place = Place::new();
    let message = |hub: &Hub, file: &str| push(hub, &[(file, b"x")]).unwrap_err().to_string();
    assert!(message(&place.hub(), "a.txt").contains("answered 401: a token is needed"));
    place.server.fail("POST", 1, Fault::Status(403, vec![("X-Error-Message", "read only".into())]));
    let refused = message(&writer(&place), "a.txt");
    assert!(refused.contains(": read only") && refused.contains("to write for a push"), "{refused}");
    assert!(message(&writer(&place), "../a.txt").contains("is not a valid file name in a repository"));
    assert!(message(&place.offline(), "a.txt").contains("HF_HUB_OFFLINE"));
    place.server.fail("commit/main", 1, Fault::Status(500, vec![]));
    assert!(message(&writer(&place), "a.txt").contains("answered 500"));
    let requests = place.server.requests();
    assert_eq!(requests.iter().filter(|line| line.contains("/commit/")).count(), 1, "a commit is made once");
}
