//! `unlearn report SUITE --watch`: a live page of a suite that is being run, served on the loopback device.
//!
//! The page is for this machine's user alone. So the program listens on 127.0.0.1 only. It refuses requests whose `Host` is another name: a
//! page elsewhere could otherwise reach it under a name that is made to resolve to 127.0.0.1. It reads the store and changes nothing.
//!
//! The heads of requests are read by `httparse`, the parser of hyper. Hyper itself needs an asynchronous runtime, and the small servers
//! without one are no longer maintained. What is needed here are three pages by GET, one request a connection.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use unlearn::metrics::Figures;
use unlearn::mia_eval::Registry;
use unlearn_experiment::{Environment, Plan, PlannedStage};
use unlearn_reports::{
    Details, Results,
    html::{self, Live, LiveStage, LiveState},
    remaining::Durations,
};
use unlearn_run_store::{Store, StoreError, SuiteIndex};

use crate::{args::ReportArguments, exit::Usage, run};

/// Most bytes of a request's head.
const MOST_HEAD: usize = 16 << 10;
/// Most connections at a time.
const MOST_CONNECTIONS: usize = 32;
/// How long a connection may take to send its request or to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer about the state is used again.
const FRESH: Duration = Duration::from_millis(500);

pub(crate) fn watch(arguments: &ReportArguments) -> anyhow::Result<()> {
    let ReportArguments { suites, assignments, seeds, store, data_dir, port, .. } = arguments;
    let port = port.unwrap_or(0);
    let [file] = suites.as_slice() else {
        return Err(Usage("--watch takes one suite's file; watch each suite by itself".into()).into());
    };
    let environment = Environment { data_dir: data_dir.clone(), offline: true, ..Environment::default() };
    let plan = Plan::resolve(&run::open(Path::new(file), assignments, *seeds)?, &environment)?;
    let Plan { stages, index, .. } = plan;
    let watched = Arc::new(Watched {
        root: store.runs.clone(),
        stages,
        index,
        figures: Registry::standard().figures(),
        durations: Mutex::default(),
        state: Mutex::default(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Usage(format!("--port {port}: 127.0.0.1:{port} cannot be listened on: {error}; choose another port, or 0"))
    })?;
    let port = listener.local_addr().context("failed to find the port")?.port();
    say!("watching {}: http://127.0.0.1:{port}/ (Ctrl-C ends)", watched.index.suite);
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        // One that was given up before it was accepted.
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (watched, open) = (Arc::clone(&watched), Arc::clone(&open));
        let answering = move || {
            // A reader that has gone is no fault of the program.
            let _ = answer(stream, port, &watched);
            open.fetch_sub(1, Ordering::Relaxed);
        };
        std::thread::Builder::new().name("answer".into()).spawn(answering).context("failed to start a thread")?;
    }
    Ok(())
}

/// The suite that is watched.
struct Watched {
    root: std::path::PathBuf,
    stages: Vec<PlannedStage>,
    index: SuiteIndex,
    figures: Figures,
    /// Wall times of what the store holds. Filled when the store is first seen.
    durations: Mutex<Option<Durations>>,
    /// The last state, and when it was looked up.
    state: Mutex<Option<(Instant, Live)>>,
}

impl Watched {
    /// The state of the run. Before it has begun there may be no store.
    fn live(&self) -> anyhow::Result<Live> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, live)) = &*state
            && when.elapsed() < FRESH
        {
            return Ok(live.clone());
        }
        let live = self.look()?;
        *state = Some((Instant::now(), live.clone()));
        Ok(live)
    }

    fn store(&self) -> anyhow::Result<Option<Store>> {
        match Store::open_existing(&self.root) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::NoStore(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn look(&self) -> anyhow::Result<Live> {
        let store = self.store()?;
        let mut durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(store)) = (&*durations, &store) {
            *durations = Some(Durations::of(store)?);
        }
        let mut states = Vec::with_capacity(self.stages.len());
        for PlannedStage { spec, key, .. } in &self.stages {
            let Some(store) = &store else {
                states.push(LiveState::ToDo);
                continue;
            };
            states.push(match store.find(&spec.kind, key) {
                Ok(Some(stage)) => {
                    if let Some(durations) = durations.as_mut() {
                        durations.add(stage.manifest());
                    }
                    LiveState::Done(stage.manifest().wall_seconds)
                }
                Ok(None) => match store.unfinished(&spec.kind, key)? {
                    Some(begun) => LiveState::Begun {
                        so_far: begun.wall_seconds + begun.quiet_seconds,
                        quiet: begun.quiet_seconds,
                        rows: begun.rows,
                    },
                    None => LiveState::ToDo,
                },
                Err(error) => LiveState::Damaged(error.to_string()),
            });
        }
        let guess = |stage: &PlannedStage| durations.as_ref().and_then(|durations| durations.guess(&stage.spec));
        let stages: Vec<LiveStage> = self
            .stages
            .iter()
            .zip(states)
            .map(|(stage, state)| LiveStage { label: stage.label.clone(), state, guess: guess(stage) })
            .collect();
        let is_done = |key| {
            let found = self.stages.iter().zip(&stages).find(|(stage, _)| stage.key == key);
            found.is_some_and(|(_, stage)| matches!(stage.state, LiveState::Done(_)))
        };
        let has_rows = self.index.rows.iter().any(|row| row.stages().all(|key| is_done(key.clone())));
        let machines = durations.as_ref().map(|durations| durations.machines().to_vec()).unwrap_or_default();
        Ok(Live { suite: self.index.suite.clone(), title: self.index.title.clone(), stages, has_rows, machines })
    }

    /// The report of the rows that are done.
    fn report(&self) -> anyhow::Result<Option<String>> {
        let Some(store) = self.store()? else { return Ok(None) };
        let mut index = self.index.clone();
        let mut rows = Vec::new();
        for row in index.rows {
            let mut done = store.locate(&row.unlearn)?.is_some() && store.find("evaluate", &row.evaluate)?.is_some();
            if let Some(audit) = &row.audit {
                done &= store.find("audit", audit)?.is_some();
            }
            if done {
                rows.push(row);
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        if rows.len() < self.index.rows.len() {
            let note = format!("the suite is being run: {} of its {} rows are here", rows.len(), self.index.rows.len());
            index.notes.push(note);
        }
        index.rows = rows;
        let results = Results::gather(&store, &index, &self.figures)?;
        let details = Details::gather(&store, &index, &results, None)?;
        Ok(Some(html::page(&results, &details)?))
    }
}

/// An answer.
struct Answer {
    status: &'static str,
    content: &'static str,
    /// The content security policy, unless the page has its own.
    policy: Option<String>,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        let policy = Some("default-src 'none'".to_owned());
        Self { status, content: "text/plain; charset=utf-8", policy, body: body.into() }
    }

    fn html(policy: Option<String>, body: String) -> Self {
        Self { status: "200 OK", content: "text/html; charset=utf-8", policy, body }
    }
}

/// Reads one request and answers it.
fn answer(mut stream: TcpStream, port: u16, watched: &Watched) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let began = Instant::now();
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    let (answer, with_body) = loop {
        let read = stream.read(&mut piece)?;
        if read == 0 || began.elapsed() > PATIENCE {
            return Ok(()); // Given up, or too slow.
        }
        head.extend(&piece[..read]);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Partial) if head.len() < MOST_HEAD => {}
            Ok(httparse::Status::Complete(_)) => {
                break (respond(&request, port, watched), request.method != Some("HEAD"));
            }
            _ => break (Answer::text("400 Bad Request", "this is no request that the program understands\n"), true),
        }
    };
    let Answer { status, content, policy, body } = answer;
    let policy = policy.map_or_else(String::new, |policy| format!("Content-Security-Policy: {policy}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content}\r\nContent-Length: {}\r\n{policy}Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if with_body {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()?;
    // What the other side still sends is read for a moment. To close over unread bytes would reset the connection, and the answer be lost.
    stream.shutdown(Shutdown::Write)?;
    let mut left = MOST_HEAD * 16;
    while left > 0 && began.elapsed() < 2 * PATIENCE {
        match stream.read(&mut piece)? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

fn respond(request: &httparse::Request<'_, '_>, port: u16, watched: &Watched) -> Answer {
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().and_then(|header| std::str::from_utf8(header.value).ok());
    if hosts.next().is_some() || !host.is_some_and(|host| is_own(host, port)) {
        return Answer::text("421 Misdirected Request", format!("this page is at http://127.0.0.1:{port}/ alone\n"));
    }
    if !matches!(request.method, Some("GET" | "HEAD")) {
        return Answer::text("405 Method Not Allowed", "the page can only be read\n");
    }
    let failed = |error: &anyhow::Error| Answer::text("500 Internal Server Error", format!("{error:#}\n"));
    let path = request.path.unwrap_or_default();
    match path.split_once('?').map_or(path, |(path, _)| path) {
        "/" => {
            watched.live().map_or_else(|error| failed(&error), |live| Answer::html(Some(Live::policy()), live.page()))
        }
        "/state" => {
            watched.live().map_or_else(|error| failed(&error), |live| Answer::html(Some(Live::policy()), live.state()))
        }
        // The report carries its own policy.
        "/report" => match watched.report() {
            Ok(Some(page)) => Answer::html(None, page),
            Ok(None) => Answer::text("404 Not Found", "no row of the suite is done yet\n"),
            Err(error) => failed(&error),
        },
        _ => Answer::text("404 Not Found", "the pages are / and /report\n"),
    }
}

/// Whether a `Host` names this program: the loopback device and the port.
fn is_own(host: &str, port: u16) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, given)) if given.parse() == Ok(port) => name,
        // Browsers leave out the port 80.
        None if port == 80 => host,
        _ => return false,
    };
    ["127.0.0.1", "localhost"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_device_is_meant() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            assert!(is_own(host, 8080), "{host}");
        }
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1.evil.example:8080",
            "",
            ":8080",
            "localhost:8080:8080",
        ] {
            assert!(!is_own(host, 8080), "{host}");
        }
        assert!(is_own("127.0.0.1", 80) && is_own("localhost:80", 80));
    }
}
