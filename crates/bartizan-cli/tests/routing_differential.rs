//! The gateway and the application must never read a path differently: not where it matters.
//!
//! Thousands of generated requests for `/admin`, in every disguise that a path can wear, go over raw sockets to the
//! real application. Bare, many of them reach its admin handlers. Behind a policy that demands a session for
//! `/admin/**` (there is no way to get one) none may, whatever parts of the request firewall are relaxed.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use bartizan_peers::{FastApi, Gateway, HttpRequest, raw};
use serde_json::Value;

/// How many requests are generated: the same ones each time.
const PROBES: usize = 600;

/// Every part of the request firewall that a route can relax.
const RELAXATIONS: [&str; 9] = [
    "empty-segment",
    "semicolon",
    "backslash",
    "encoded-slash",
    "encoded-dot",
    "encoded-percent",
    "dot-segment",
    "control",
    "utf8",
];

/// The careless application as it is, read by either of uvicorn's parsers.
#[tokio::test]
async fn no_disguise_reaches_the_admin_handlers_httptools() {
    differential(FastApi::start_module("app:app", &example(), &["--http", "httptools"]), Case::Sensitive)
        .await;
}

#[tokio::test]
async fn no_disguise_reaches_the_admin_handlers_h11() {
    differential(FastApi::start_module("app:app", &example(), &["--http", "h11"]), Case::Sensitive).await;
}

/// The application behind a stack that "cleans" paths, as many do.
#[tokio::test]
async fn no_disguise_reaches_the_admin_handlers_of_a_lenient_stack() {
    let lenient = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lenient");
    differential(FastApi::start_module("lenient:app", &lenient, &[]), Case::Insensitive).await;
}

fn example() -> std::path::PathBuf {
    bartizan_peers::root().join("examples/fastapi-careless")
}

/// Whether the application tells `/ADMIN` from `/admin`. Where it does not, the policy has to say so.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Sensitive,
    Insensitive,
}

async fn differential(app: Option<FastApi>, case: Case) {
    let Some(app) = app else { return };
    let probes: Vec<Probe> = Generator(0x000B_A271_2A17).probes(PROBES);

    // The control run: without the gateway many get there, or the probes would prove nothing.
    send_all(app.port(), &probes);
    let reached = visits(&app).await;
    let found: BTreeSet<_> = reached.iter().filter_map(probe_of).collect();
    println!("bare: {} of {} requests reach the admin handlers", found.len(), probes.len());
    assert!(found.len() >= PROBES / 10, "only {} of {PROBES} probes reach the bare application", found.len());

    let mut before = reached.len();
    let every = RELAXATIONS.map(|relaxation| format!("{relaxation:?}")).join(", ");
    let relaxed = RELAXATIONS.map(|relaxation| format!("{relaxation:?}"));
    for relax in [String::new()].into_iter().chain(relaxed).chain([every]) {
        let gateway = Gateway::start(&policy(&relax, case), &app.url(""));
        let seen = send_all(gateway.port(), &probes);
        let visits = visits(&app).await;
        let fresh: Vec<_> = visits[before..].iter().map(|visit| describe(visit, &probes)).collect();
        assert!(
            fresh.is_empty(),
            "with relax = [{relax}] these reached the admin handlers:\n{}",
            fresh.join("\n")
        );
        before = visits.len();

        println!("relax = [{relax}]: {seen:?}");
        // Both happened: requests that were let through to the application, and requests that met the requirement.
        assert!(seen.passed > 0, "relax = [{relax}]: nothing went through: {seen:?}");
        assert!(seen.unauthorised > 0, "relax = [{relax}]: the requirement never spoke: {seen:?}");
    }
}

/// `/admin` needs a session; the rest is open, and reads paths as loosely as `relax` says.
fn policy(relax: &str, case: Case) -> String {
    let insensitive = case == Case::Insensitive;
    format!(
        "version = 1
         [session]
         [default]
         require = \"nothing\"
         [[route]]
         match = \"* /admin\"
         case_insensitive = {insensitive}
         require = \"session\"
         [[route]]
         match = \"* /admin/**\"
         case_insensitive = {insensitive}
         require = \"session\"
         [[route]]
         match = \"* /**\"
         relax = [{relax}]"
    )
}

/// What the admin handlers have recorded since the application started.
async fn visits(app: &FastApi) -> Vec<Value> {
    let visits = HttpRequest::get(&app.url("/visits")).send().await.json();
    visits.as_array().expect("a list").clone()
}

/// The number of the probe that made a visit, as far as its query survived.
fn probe_of(visit: &Value) -> Option<usize> {
    let (_, rest) = visit["query"].as_str()?.rsplit_once("probe=")?;
    rest.get(..6)?.parse().ok()
}

fn describe(visit: &Value, probes: &[Probe]) -> String {
    let sent = probe_of(visit).and_then(|number| probes.get(number));
    format!("{visit} by {}", sent.map(|probe| String::from_utf8_lossy(&probe.head)).unwrap_or_default())
}

/// What came back from a run.
#[derive(Debug, Default)]
struct Seen {
    /// Answers of the application's own: it was let through.
    passed: usize,
    /// 401: the requirement of `/admin` refused it.
    unauthorised: usize,
    /// Anything else: refused on the way.
    refused: usize,
}

fn send_all(port: u16, probes: &[Probe]) -> Seen {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut seen = Seen::default();
        while let Some(probe) = probes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer = raw::exchange(port, &probe.head).unwrap_or_default();
            match raw::status(&answer) {
                Some(200..=399 | 404 | 405 | 422) if !is_problem(&answer) => seen.passed += 1,
                Some(401) => seen.unauthorised += 1,
                _ => seen.refused += 1,
            }
        }
        seen
    };
    thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().expect("a run")).fold(Seen::default(), |sum, seen| Seen {
            passed: sum.passed + seen.passed,
            unauthorised: sum.unauthorised + seen.unauthorised,
            refused: sum.refused + seen.refused,
        })
    })
}

fn is_problem(answer: &[u8]) -> bool {
    let needle = b"application/problem+json";
    answer.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// One request, as it goes over the socket.
struct Probe {
    head: Vec<u8>,
}

/// A deterministic source of requests (`SplitMix64`).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// The undisguised requests first, then what chance makes of them.
    fn probes(mut self, count: usize) -> Vec<Probe> {
        let plain =
            ["/admin", "/admin/", "/admin/users", "/%61dmin", "/admin%2fusers", "//admin", "/admin;x"];
        (0..count)
            .map(|number| {
                let path = plain.get(number).map_or_else(|| self.path(), |path| (*path).as_bytes().to_vec());
                self.probe(number, &path)
            })
            .collect()
    }

    fn probe(&mut self, number: usize, path: &[u8]) -> Probe {
        const METHODS: [&str; 8] = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
        const OVERRIDES: [&str; 12] = [
            "X-HTTP-Method-Override: GET",
            "X-HTTP-Method: DELETE",
            "X-Method-Override: GET",
            "X_HTTP_Method_Override: GET",
            "X-Original-URL: /admin",
            "X-Rewrite-URL: /admin/users",
            "X_Original_URL: /admin",
            "X-Forwarded-Uri: /admin",
            "X-Forwarded-Path: /admin",
            "X-Forwarded-Prefix: /admin",
            "Connection: X-Original-URL\r\nX-Original-URL: /admin",
            "X-Original-URL : /admin",
        ];
        let method = self.pick(&METHODS);
        let mut target = path.to_vec();
        if self.below(12) == 0 {
            target.splice(..0, *b"http://localhost");
        }
        let mut head = format!("{method} ").into_bytes();
        head.extend(target);
        head.extend(
            format!("?probe={number:06} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").bytes(),
        );
        if self.below(6) == 0 {
            head.extend(self.pick(&OVERRIDES).bytes());
            head.extend(b"\r\n");
        }
        head.extend(b"Content-Length: 0\r\n\r\n");
        Probe { head }
    }

    /// A path to `/admin`, disguised once to three times.
    fn path(&mut self) -> Vec<u8> {
        const START: [&str; 5] = ["/admin", "/admin/", "/admin/users", "/admin/users/1", "/public/../admin"];
        let mut path = self.pick(&START).as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            self.disguise(&mut path);
        }
        path
    }

    fn disguise(&mut self, path: &mut Vec<u8>) {
        const SLASHES: [&str; 19] = [
            "%2f",
            "%2F",
            "//",
            "///",
            "/./",
            "/%2e/",
            "\\",
            "%5c",
            "%5C",
            "/;/",
            ";/",
            ";a=b/",
            "/x/../",
            "/x/%2e%2e/",
            "/x/..;/",
            "%252f",
            "/%2f",
            "%2f%2f",
            "/%5c",
        ];
        const ENDS: [&str; 22] = [
            "/", "//", ";", ";a=b", "%3b", "%3Ba", "/.", "/..", "/..;/", "%2f", "%2e", ".", "%00", "%20",
            "%09", "%0a", "%0d%0a", "%23", "%3f", "%c0%af", "%ff", "?x=1",
        ];
        const BEGINNINGS: [&str; 14] = [
            "/",
            "/.",
            "/./",
            "/x/..",
            "/x/%2e%2e",
            "/;",
            "/;a=b",
            "/%2e",
            "/%2f",
            "\\",
            "/\\",
            "/%5c",
            "/public/..;",
            "/%2e%2e",
        ];
        match self.below(6) {
            0 => {
                let slashes: Vec<_> = (0..path.len()).filter(|&at| path[at] == b'/').collect();
                if !slashes.is_empty() {
                    let at = slashes[self.below(slashes.len())];
                    let other = self.pick(&SLASHES);
                    // A target that does not begin with a slash is no path at all, which is another test's matter.
                    let other = if at == 0 && !other.starts_with('/') { "//" } else { other };
                    path.splice(at..=at, other.bytes());
                }
            }
            1 => path.extend(self.pick(&ENDS).bytes()),
            2 => {
                path.splice(..0, self.pick(&BEGINNINGS).bytes());
            }
            3 => self.replace_letter(path, |letter| format!("%{letter:02x}")),
            4 => self.replace_letter(path, |letter| format!("%25{letter:02X}")),
            _ => self.replace_letter(path, |letter| char::from(letter).to_ascii_uppercase().to_string()),
        }
    }

    fn replace_letter(&mut self, path: &mut Vec<u8>, by: impl Fn(u8) -> String) {
        let letters: Vec<_> = (0..path.len()).filter(|&at| path[at].is_ascii_lowercase()).collect();
        if !letters.is_empty() {
            let at = letters[self.below(letters.len())];
            let letter = path[at];
            path.splice(at..=at, by(letter).bytes());
        }
    }
}
