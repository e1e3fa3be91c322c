//! The pages that people read, in a browser: nothing is fetched, nothing complains, tables sort and filter, everything is reached with the
//! keyboard, and every text can be read in both colour schemes, on paper, and without scripts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::{Place, SUITE};

/// Lists what is wrong with the page.
const FAULTS: &str = include_str!("page.js");

fn check(browser: &mut Chromium, what: &str) {
    let faults = browser.value(FAULTS);
    assert_eq!(faults, json!([]), "{what}");
}

fn prefer(browser: &mut Chromium, scheme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "", "features": features }));
}

/// The texts of a column of the first sortable table that has it, as its visible rows stand.
fn column(browser: &mut Chromium, table: &str, head: &str) -> Vec<String> {
    let script = format!(
        "(() => {{ const table = {table}; const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === {head:?}); \
         return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[at].textContent.trim()); }})()"
    );
    serde_json::from_value(browser.value(&script)).unwrap()
}

fn numbers(texts: &[String]) -> Vec<f64> {
    texts.iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// The table of all models.
const ALL: &str =
    "[...document.querySelectorAll('table')].find((table) => table.caption.textContent === 'Every model of the suite')";

#[test]
fn pages_work_in_a_browser() {
    let Some(mut browser) = Chromium::start() else { return };
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml"]);
    place.succeed(&["report", "tiny", "--out", "report", "--pictures"]);
    let report = format!("file://{}", place.path("report/report.html").display());
    browser.open(&report);
    assert_eq!(browser.complaints(&report), [""; 0]);

    for scheme in ["light", "dark"] {
        prefer(&mut browser, scheme);
        check(&mut browser, scheme);
        // Whatever is collapsed must be readable too.
        browser.value("for (const details of document.querySelectorAll('details')) details.open = true");
        check(&mut browser, &format!("{scheme}, everything open"));
    }
    let paper = |browser: &mut Chromium| browser.value("getComputedStyle(document.body).backgroundColor");
    let dark = paper(&mut browser);
    let scheme = "document.querySelector('.scheme')";
    browser.value(&format!("{scheme}.click()"));
    assert_eq!(browser.value(&format!("{scheme}.textContent")), "Colours: light");
    assert_ne!(paper(&mut browser), dark, "the switch overrules the system");
    check(&mut browser, "light by the switch");
    prefer(&mut browser, "light");
    browser.value(&format!("{scheme}.click()"));
    assert_eq!(paper(&mut browser), dark, "the switch overrules the system");
    check(&mut browser, "dark by the switch");

    sorts(&mut browser);
    filters(&mut browser);
    shows_pictures(&mut browser);

    // Paper: light, whatever was chosen, and without controls.
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    check(&mut browser, "on paper");
    assert_eq!(browser.value(&format!("getComputedStyle({scheme}).display")), "none");
    assert_ne!(paper(&mut browser), dark);
    prefer(&mut browser, "light");

    // A telephone: the page itself never scrolls sideways, its tables do.
    let narrow = json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", narrow);
    let width = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(width <= 360, "{width} is wider than the window");
    browser.call("Emulation.clearDeviceMetricsOverride", json!({}));

    reached_with_the_keyboard(&mut browser, &report);

    // Without scripts the page is complete, only static.
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&report);
    assert_eq!(browser.value("document.querySelectorAll('button, select').length"), 0);
    assert_eq!(column(&mut browser, ALL, "Method").len(), 20);
    check(&mut browser, "without scripts");
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": false }));

    compares(&mut browser, &place);
    watches(&mut browser, &place);
}

fn sorts(browser: &mut Chromium) {
    let before = column(browser, ALL, "TA");
    let press =
        format!("[...{ALL}.querySelectorAll('th button')].find((button) => button.textContent === 'TA').click()");
    let sort = format!(
        "[...{ALL}.querySelectorAll('th')].find((head) => head.textContent === 'TA').getAttribute('aria-sort')"
    );
    browser.value(&press);
    let up = numbers(&column(browser, ALL, "TA"));
    assert!(up.is_sorted() && up.len() == 20, "{up:?}");
    assert_eq!(browser.value(&sort), "ascending");
    browser.value(&press);
    let down = numbers(&column(browser, ALL, "TA"));
    assert!(down.iter().rev().is_sorted(), "{down:?}");
    assert_eq!(browser.value(&sort), "descending");
    browser.value(&press);
    assert_eq!((column(browser, ALL, "TA"), browser.value(&sort)), (before, Value::Null));
}

fn filters(browser: &mut Chromium) {
    let choose = |browser: &mut Chromium, label: &str, value: &str| {
        let select = format!(
            "[...{ALL}.closest('.scroll').previousElementSibling.querySelectorAll('label')].find((label) => \
             label.textContent.startsWith({label:?})).querySelector('select')"
        );
        browser.value(&format!(
            "(() => {{ const s = {select}; s.value = {value:?}; s.dispatchEvent(new Event('change')); }})()"
        ));
    };
    choose(browser, "Method", "ft");
    assert_eq!(column(browser, ALL, "Method"), ["ft"; 4]);
    choose(browser, "Sparsity", "dense");
    choose(browser, "Scenario", "class");
    assert_eq!(column(browser, ALL, "Sparsity"), ["dense"]);
    for label in ["Method", "Sparsity", "Scenario"] {
        choose(browser, label, "");
    }
    assert_eq!(column(browser, ALL, "Method").len(), 20);
}

/// Every picture is decoded, and a bold answer is the true class.
fn shows_pictures(browser: &mut Chromium) {
    let shown = browser.value("[...document.querySelectorAll('table.samples img')].map((image) => image.naturalWidth)");
    let widths: Vec<u64> = serde_json::from_value(shown).unwrap();
    assert!(widths.len() > 20 && widths.iter().all(|width| *width == 28), "{widths:?}");
    let wrong = browser.value(
        "[...document.querySelectorAll('table.samples')].flatMap((table) => [...table.tBodies[0].rows].flatMap((row) => \
         [...row.cells].slice(1).filter((cell, at) => (cell.firstChild.textContent === \
         table.tHead.rows[0].cells[at + 1].textContent) !== cell.classList.contains('yes')))).length",
    );
    assert_eq!(wrong, 0);
}

fn reached_with_the_keyboard(browser: &mut Chromium, report: &str) {
    browser.open(report);
    browser.press("Tab");
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    assert_eq!(
        browser.value("document.activeElement.getBoundingClientRect().top >= 0"),
        true,
        "it is seen when it has the focus"
    );
    browser.press("Enter");
    assert_eq!(browser.value("document.activeElement.id"), "content");
    let reached = (0..80).any(|_| {
        browser.press("Tab");
        browser.value("document.activeElement.matches('th button')") == true
    });
    assert!(reached, "no header is reached");
    browser.press("Enter");
    assert_eq!(browser.value("document.activeElement.closest('th').getAttribute('aria-sort')"), "ascending");
    assert_eq!(browser.value("getComputedStyle(document.activeElement).outlineStyle"), "solid", "the focus is seen");
}

fn compares(browser: &mut Chromium, place: &Place) {
    place.succeed(&["report", "--compare", "tiny", "report", "--out", "compared"]);
    let page = format!("file://{}", place.path("compared/compare.html").display());
    browser.open(&page);
    assert_eq!(browser.complaints(&page), [""; 0]);
    for scheme in ["light", "dark"] {
        prefer(browser, scheme);
        check(browser, &format!("two reports, {scheme}"));
    }
}

/// A program that serves a page until it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watches(browser: &mut Chromium, place: &Place) {
    let (_server, address) = serve(place, &["--seeds", "2"]);
    let url = format!("http://{address}/");
    browser.open(&url);
    let headline = browser.value("document.getElementById('headline').textContent");
    assert!(headline.as_str().unwrap().starts_with("42 of 84 stages are done. About "), "{headline}");
    for scheme in ["light", "dark"] {
        prefer(browser, scheme);
        check(browser, &format!("a run, {scheme}"));
    }
    // It fetches its state again by itself.
    let fetched = browser.value(
        "new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().map((entry) => entry.name))) \
         .observe({ type: 'resource' }))",
    );
    assert_eq!(fetched, json!([format!("{url}state")]));
    assert_eq!(browser.complaints(&url), [""; 0]);
    browser.open(&format!("{url}report"));
    assert_eq!(column(browser, ALL, "Method").len(), 20);
    assert_eq!(browser.complaints(&url), [""; 0]);
}

/// Starts `report --watch`, and returns its address.
fn serve(place: &Place, arguments: &[&str]) -> (Server, String) {
    let mut command = place.command(&["report", "suite.toml", "--watch"]);
    let mut process = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (Server(process), address)
}

/// Asks for a path, under the name `host`.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// No browser is needed for this.
#[test]
fn a_live_page_is_for_this_machine_alone() {
    let place = Place::new(SUITE);
    let (mut server, address) = serve(&place, &[]);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let get = |path: &str, host: &str| ask(&address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    // Before the run begins there is not even a store.
    let page = get("/", &address);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("0 of 42 stages are done. Nothing is known"), "{page}");
    assert!(page.contains("Content-Security-Policy: default-src 'none'"), "{page}");
    assert!(get("/state", &address).starts_with("HTTP/1.1 200"));
    assert!(get("/report", &address).starts_with("HTTP/1.1 404"));
    assert!(get("/etc/passwd", &address).starts_with("HTTP/1.1 404"));
    let port = address.split(':').nth(1).unwrap();
    for host in [&format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1"] {
        assert!(get("/", host).starts_with("HTTP/1.1 421"), "{host}");
    }
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "421"),
        (format!("GET / HTTP/1.1\r\nHost: {address}\r\nHost: {address}\r\n\r\n"), "421"),
        (format!("POST / HTTP/1.1\r\nHost: {address}\r\n\r\n"), "405"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "x".repeat(20_000)), "400"),
    ] {
        let answer = ask(&address, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    // Sockets that a browser opens in advance do not keep others waiting.
    let idle: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert!(get("/", &address).starts_with("HTTP/1.1 200"));
    drop(idle);

    let taken = place.refuse(2, &["report", "suite.toml", "--watch", "--port", port]);
    assert!(taken.contains("choose another port"), "{taken}");
    #[cfg(unix)]
    {
        let id = server.0.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert_eq!(server.0.wait().unwrap().code(), Some(130));
    }
}
