//! A headless Chromium, driven by its DevTools protocol.
//!
//! Chromium speaks the protocol over two pipes (`--remote-debugging-pipe`): JSON messages that end in a zero byte, on its file descriptors 3
//! and 4. So no client of web sockets is needed, and no crate that generates thousands of types for the few calls made here. A shell gives
//! the descriptors their numbers.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long one browser may live.
const LONGEST: Duration = Duration::from_secs(100);

/// A browser with one page.
pub(crate) struct Chromium {
    process: Arc<Mutex<Child>>,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    next: u64,
    /// Everything that the page reported, in order.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts the browser. `None` if there is none on this machine, which is said. With `UNLEARN_TEST_CHROMIUM` in the environment, there
    /// must be one.
    pub(crate) fn start() -> Option<Self> {
        let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let version = Command::new(name).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
            version.is_ok_and(|output| output.status.success())
        });
        let Some(program) = found else {
            let demanded = std::env::var_os("UNLEARN_TEST_CHROMIUM").is_some();
            assert!(
                !demanded,
                "UNLEARN_TEST_CHROMIUM is set, and there is no Chromium; install it: apt-get install chromium"
            );
            println!("left out: there is no Chromium on this machine");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 1>&2", program])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let process = Arc::new(Mutex::new(process));
        // A browser that hangs ends, and the read of its answer with it.
        let watched = Arc::downgrade(&process);
        let began = Instant::now();
        std::thread::spawn(move || {
            while began.elapsed() < LONGEST {
                std::thread::sleep(Duration::from_millis(200));
                if watched.upgrade().is_none() {
                    return;
                }
            }
            if let Some(process) = watched.upgrade() {
                let _ = process.lock().unwrap().kill();
            }
        });
        let mut browser =
            Self { process, requests, answers, session: None, next: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method, and returns its result. What the page reports meanwhile is kept.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method });
        request["params"] = parameters;
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&request).unwrap();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap();
        loop {
            let message = self.message();
            if message["id"] == self.next {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.answers.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a page and waits until it is loaded. Forgets what earlier pages reported.
    pub(crate) fn open(&mut self, url: &str) {
        self.events.clear();
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.message();
            self.events.push(message);
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("no key {other}"),
        };
        let key = json!({ "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        let kind = |kind: &str| {
            let mut event = key.clone();
            event["type"] = json!(kind);
            event
        };
        self.call("Input.dispatchKeyEvent", kind(if text.is_empty() { "rawKeyDown" } else { "keyDown" }));
        self.call("Input.dispatchKeyEvent", kind("keyUp"));
    }

    /// What a page must not report: errors and warnings of its console, exceptions, and requests for anything but itself.
    pub(crate) fn complaints(&mut self, own: &str) -> Vec<String> {
        self.value("1"); // Everything before has arrived.
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => Some(parameters["args"].to_string()),
                "Log.entryAdded" => Some(parameters["entry"].to_string()),
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str()?;
                    (!url.starts_with(own) && !url.starts_with("data:")).then(|| format!("it asks for {url}"))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(complaint).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}
