//! Each failure of the Hub is reported with what, where and the fix, and leaves nothing in the cache that could be
//! taken for a file.

use unlearn_hub::{Hub, Kind, Options};
use unlearn_tests::Fault;

use super::{ID, MODEL, Place, reference, refusal};

/// Asserts that every word is in the message.
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` in: {message}");
    }
}

#[test]
fn what_is_not_there_is_named_with_what_is_near() {
    let place = Place::new();
    let near = place.refusal("model.safetensor");
    says(&near, &[ID, "`main`", "no file `model.safetensor`", "of its 3 files the nearest are `model.safetensors`"]);
    says(&refusal(&place.hub(), "hub:someone/resnet9s", MODEL), &["no model `someone/resnet9s`", "HF_TOKEN"]);
    says(&refusal(&place.hub(), &format!("hub:{ID}@v2"), MODEL), &["no revision `v2`"]);
    let error = place.hub().files(&reference("hub:someone/else"), Kind::Dataset).unwrap_err().to_string();
    says(&error, &["no dataset `someone/else`"]);
}

#[test]
fn what_is_not_allowed_says_what_would_open_it() {
    let place = Place::new();
    place.server.gate(ID);
    let page = format!("accept its licence on {}/{ID}", place.server.endpoint());
    says(&place.refusal(MODEL), &[&page, "HF_TOKEN"]);
    place.server.fail("HEAD", 1, Fault::Status(401, vec![]));
    says(&place.refusal(MODEL), &["answered 401", "HF_TOKEN"]);
    place.server.fail("HEAD", 1, Fault::Status(403, vec![("X-Error-Message", "not yours".into())]));
    says(&place.refusal(MODEL), &["answered 403", ": not yours", "HF_TOKEN"]);
    place.server.fail("HEAD", 1, Fault::Status(403, vec![("X-Error-Code", "GatedRepo".into())]));
    says(&place.refusal(MODEL), &[&page]);
}

#[test]
fn servers_that_fail() {
    let place = Place::new();
    place.server.fail("HEAD", 1, Fault::Status(429, vec![("Retry-After", "17".into())]));
    says(&place.refusal(MODEL), &["answered 429", "in 17 s"]);
    for status in [500, 503] {
        place.server.requests();
        place.server.fail("HEAD", 3, Fault::Status(status, vec![]));
        says(&place.refusal(MODEL), &[&format!("answered {status}"), "asked 3 times", "try again later"]);
        assert_eq!(place.server.requests().len(), 3);
    }
    place.server.fail("HEAD", 1, Fault::Status(418, vec![]));
    says(&place.refusal(MODEL), &["answered 418"]);
    let nowhere = Hub::new(Options { endpoint: "http://127.0.0.1:1".into(), ..place.options() });
    let message = refusal(&nowhere, &format!("hub:{ID}"), MODEL);
    says(&message, &["http://127.0.0.1:1/", "cannot be reached", "HF_ENDPOINT", "hf download"]);
    says(&message, &[place.cache.path().to_str().unwrap()]);
}

#[test]
fn bytes_that_are_not_those_announced_never_enter_the_cache() {
    let place = Place::new();
    place.server.fail("GET /content/", 1, Fault::WrongByte);
    says(&place.refusal(MODEL), &["`model.safetensors` arrived with SHA-256", "announced", "fetch it again"]);
    place.server.fail("GET /content/", 1, Fault::OneMore);
    says(&place.refusal(MODEL), &["arrived with bytes more than", "announced"]);
    let shorter = |bytes: usize| Fault::Header("X-Linked-Size", bytes.to_string());
    place.server.fail("HEAD", 1, shorter(place.model.len() - 1));
    says(&place.refusal(MODEL), &["arrived with bytes more than"]);
    assert_eq!(place.partials(), Vec::<u64>::new());
    let message = refusal(&place.offline(), &format!("hub:{ID}"), MODEL);
    says(&message, &["not in the cache"]);
    place.hub().fetch(&reference(&format!("hub:{ID}")), Kind::Model, MODEL).unwrap();
}

#[test]
fn a_connection_that_is_always_cut_keeps_what_came() {
    let place = Place::new();
    place.server.fail("GET /content/", 3, Fault::Cut(50_000));
    let message = place.refusal(MODEL);
    says(&message, &["was cut after 150000 of", "3 times in a row", ".incomplete", "run again to continue"]);
    assert_eq!(place.partials(), [150_000]);
}

#[test]
fn offline_says_how_to_get_the_file_here() {
    let place = Place::new();
    let message = refusal(&place.offline(), &format!("hub:{ID}@v1"), MODEL);
    says(&message, &["HF_HUB_OFFLINE", place.cache.path().to_str().unwrap()]);
    says(&message, &["`hf download someone/resnet8s model.safetensors --revision v1`"]);
    let error = place.offline().files(&reference("hub:someone/images"), Kind::Dataset).unwrap_err().to_string();
    says(&error, &["`hf download someone/images --repo-type dataset`"]);
    assert_eq!(place.server.requests(), Vec::<String>::new());
}

#[test]
fn nothing_leads_out_of_the_cache() {
    let place = Place::new();
    for file in ["../../x", "/etc/passwd", "a\\b", "a\0b", "", "a/../b"] {
        says(&place.refusal(file), &["is not a valid file name in a repository"]);
    }
    assert_eq!(place.server.requests(), Vec::<String>::new());
    for (header, value) in [
        ("X-Repo-Commit", "../../../../etc"),
        ("X-Repo-Commit", "main"),
        ("X-Linked-Etag", "\"../../../../../../evil/etag\""),
        ("X-Linked-Etag", "\"short\""),
        ("X-Linked-Size", "many"),
    ] {
        place.server.fail("HEAD", 1, Fault::Header(header, value.into()));
        says(&place.refusal(MODEL), &["gave an answer that cannot be used"]);
    }
    let away = Fault::Status(302, vec![("Location", "file:///etc/passwd".into())]);
    place.server.fail("HEAD", 1, away);
    says(&place.refusal(MODEL), &["redirects to `file:///etc/passwd`"]);
    let circle = Fault::Status(302, vec![("Location", "/someone/resnet8s".into())]);
    place.server.fail("HEAD", 100, circle);
    says(&place.refusal(MODEL), &["redirects more than 10 times"]);
}
