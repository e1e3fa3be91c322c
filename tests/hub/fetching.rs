//! Files are fetched completely, once, and resume where they were cut. Afterwards, the cache alone is enough.

use std::sync::{Arc, Mutex};

use unlearn_hub::{Hub, Kind, Options};
use unlearn_models::{ImportOptions, ModelFile};
use unlearn_tests::{Fault, TOKEN};

use super::{ID, MODEL, Place, contents, reference};

#[test]
fn a_file_is_fetched_once_checked_and_found_again_offline() {
    let place = Place::new();
    let hub = place.hub();
    let main = reference(&format!("hub:{ID}"));
    let fetched = hub.fetch(&main, Kind::Model, MODEL).unwrap();
    assert_eq!((contents(&fetched.path), &fetched.commit), (place.model.clone(), &place.commit));
    let model = ModelFile::read(&place.model, &ImportOptions::default(), &fetched.path).unwrap();
    assert_eq!(model.info.arch, "resnet8s");
    let requests = place.server.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(requests[0].starts_with("HEAD") && requests[2].starts_with("GET /content/"), "{requests:?}");

    assert_eq!(hub.fetch(&main, Kind::Model, MODEL).unwrap(), fetched);
    assert_eq!(place.server.requests(), [format!("HEAD /{ID}/resolve/main/{MODEL}")]);
    let pinned = main.at(&place.commit).unwrap();
    assert_eq!(hub.fetch(&pinned, Kind::Model, MODEL).unwrap(), fetched);
    assert_eq!(place.server.requests(), Vec::<String>::new(), "a commit never changes");

    let offline = place.offline();
    assert_eq!(offline.fetch(&main, Kind::Model, MODEL).unwrap(), fetched);
    let files = offline.files(&main, Kind::Model).unwrap();
    assert_eq!((files.len(), &*files[0].name, files[0].size), (1, MODEL, Some(place.model.len() as u64)));
    assert_eq!(place.server.requests(), Vec::<String>::new());
}

#[test]
fn small_empty_and_nested_files_and_listings() {
    let place = Place::new();
    let main = reference(&format!("hub:{ID}"));
    let files = place.hub().files(&main, Kind::Model).unwrap();
    let names: Vec<_> = files.iter().map(|file| (&*file.name, file.size.unwrap())).collect();
    assert_eq!(names, [("config.json", 28), ("data/a.txt", 0), (MODEL, place.model.len() as u64)]);
    let fetch = |file| contents(&place.hub().fetch(&main, Kind::Model, file).unwrap().path);
    assert_eq!(fetch("config.json"), br#"{"architecture": "resnet8s"}"#);
    assert_eq!(fetch("data/a.txt"), b"");

    place.server.commit("datasets/someone/images", &[("train.parquet", b"PAR1")]);
    let dataset = reference("hub:someone/images");
    let fetched = place.hub().fetch(&dataset, Kind::Dataset, "train.parquet").unwrap();
    assert_eq!(contents(&fetched.path), b"PAR1");
    assert!(fetched.path.starts_with(place.cache.path().join("datasets--someone--images/snapshots")));
}

#[test]
fn a_new_commit_of_a_branch_is_noticed_and_the_old_one_stays() {
    let place = Place::new();
    let main = reference(&format!("hub:{ID}"));
    place.hub().fetch(&main, Kind::Model, "config.json").unwrap();
    let commit = place.server.commit(ID, &[("config.json", b"{}")]);
    let fetched = place.hub().fetch(&main, Kind::Model, "config.json").unwrap();
    assert_eq!((contents(&fetched.path), fetched.commit), (b"{}".to_vec(), commit));
    let old = place.hub().fetch(&main.at(&place.commit).unwrap(), Kind::Model, "config.json").unwrap();
    assert_eq!(contents(&old.path).len(), 28);
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    let place = Place::new();
    place.server.fail("GET /content/", 2, Fault::Cut(100_000));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let hub = place.hub().on_progress(move |progress| told.lock().unwrap().push(progress.done));
    let fetched = hub.fetch(&reference(&format!("hub:{ID}")), Kind::Model, MODEL).unwrap();
    assert_eq!(contents(&fetched.path), place.model);
    let ranges: Vec<_> = place.server.requests().into_iter().filter(|line| line.starts_with("GET /content/")).collect();
    assert!(ranges.len() == 3 && ranges[1].ends_with("bytes=100000-"), "{ranges:?}");
    assert!(ranges[2].ends_with("bytes=200000-"), "{ranges:?}");
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted() && seen.last() == Some(&(place.model.len() as u64)), "{seen:?}");

    // A fetch also resumes from a file that a killed process left. If the server does not support ranges, it starts
    // again.
    for knows_ranges in [true, false] {
        let place = Place::new();
        place.server.fail("GET /content/", 3, Fault::Cut(1000));
        assert!(place.refusal(MODEL).contains("was cut after 3000 of"));
        assert_eq!(place.partials(), [3000]);
        if !knows_ranges {
            let body = Fault::Status(200, vec![("Content-Length", "0".into())]);
            place.server.fail("GET /content/", 2, body);
        }
        let fetched = place.hub().fetch(&reference(&format!("hub:{ID}")), Kind::Model, MODEL).unwrap();
        assert_eq!(contents(&fetched.path), place.model);
        assert_eq!(place.partials(), Vec::<u64>::new());
    }
}

#[test]
fn a_token_opens_gates_and_is_told_to_the_hub_alone() {
    let place = Place::new();
    place.server.gate(ID);
    let hub = Hub::new(Options { token: Some(TOKEN.into()), ..place.options() });
    hub.fetch(&reference(&format!("hub:{ID}")), Kind::Model, MODEL).unwrap();
    let requests = place.server.requests();
    let (content, api): (Vec<_>, Vec<_>) = requests.iter().partition(|line| line.contains("/content/"));
    assert!(api.len() == 2 && api.iter().all(|line| line.ends_with("authorized")), "{requests:?}");
    assert!(content.len() == 1 && !content[0].contains("authorized"), "{requests:?}");
}

#[test]
fn a_passing_failure_is_waited_out_and_a_lasting_one_falls_back_on_the_cache() {
    let place = Place::new();
    let main = reference(&format!("hub:{ID}"));
    place.server.fail("HEAD", 2, Fault::Status(503, vec![]));
    let fetched = place.hub().fetch(&main, Kind::Model, MODEL).unwrap();
    place.server.fail("HEAD", 100, Fault::Status(500, vec![]));
    assert_eq!(place.hub().fetch(&main, Kind::Model, MODEL).unwrap(), fetched);
    let nowhere = Hub::new(Options { endpoint: "http://127.0.0.1:1".into(), ..place.options() });
    assert_eq!(nowhere.fetch(&main, Kind::Model, MODEL).unwrap(), fetched);
}
