//! What a running FastAPI application says about itself: its OpenAPI document and its documentation pages.

use crate::{
    failure::Failure,
    fetch::{self, FetchError},
    init::page::Page,
    openapi::{Api, Operation},
    terminal,
};

/// A page of documentation is a few KiB; what is longer is not one.
const LONGEST_PAGE: usize = 1 << 20;

/// A FastAPI application, as far as a policy is concerned with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    /// Where it was read: `http://127.0.0.1:8000`.
    pub(crate) address: String,
    pub(crate) api: Api,
    /// Swagger UI, at `/docs`.
    pub(crate) docs: Option<Page>,
    /// Where Swagger UI's sign-in window comes back to, at `/docs/oauth2-redirect`.
    pub(crate) oauth2_redirect: Option<Page>,
    /// `ReDoc`, at `/redoc`.
    pub(crate) redoc: Option<Page>,
}

impl App {
    /// Reads the application at `address`, `http://host:port`.
    pub(crate) fn read(address: &str) -> Result<Self, Failure> {
        let url = format!("{address}/openapi.json");
        let api = Api::parse(&url, &fetch::text(&url)?)?;
        Ok(Self {
            address: address.to_owned(),
            api,
            docs: page(&format!("{address}/docs"))?,
            oauth2_redirect: page(&format!("{address}/docs/oauth2-redirect"))?,
            redoc: page(&format!("{address}/redoc"))?,
        })
    }

    /// The operations that take files.
    pub(crate) fn uploads(&self) -> impl Iterator<Item = &Operation> {
        self.api.operations.iter().filter(|operation| operation.upload)
    }

    /// The paths by which the application says whether it is well.
    pub(crate) fn health_checks(&self) -> Vec<&str> {
        const USUAL: [&str; 8] =
            ["/health", "/healthz", "/ping", "/livez", "/readyz", "/ready", "/api/health", "/status"];
        let gets = |path: &&str| {
            self.api.operations.iter().any(|operation| {
                operation.method == "GET" && operation.template == *path && !operation.needs_parameters
            })
        };
        USUAL.into_iter().filter(gets).collect()
    }

    /// What was found, a line each, for a person.
    pub(crate) fn findings(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "read {} at {}: {}",
            if self.api.title.is_empty() { "the application" } else { &self.api.title },
            self.address,
            terminal::count(self.api.operations.len(), "operation")
        )];
        let pages: Vec<&str> = [("/docs", &self.docs), ("/redoc", &self.redoc)]
            .into_iter()
            .filter_map(|(path, page)| page.is_some().then_some(path))
            .collect();
        if !pages.is_empty() {
            lines.push(format!("{}: a Content-Security-Policy under which it works", pages.join(" and ")));
        }
        for upload in self.uploads() {
            lines
                .push(format!("{} {}: takes files, so its limit is 100 MiB", upload.method, upload.template));
        }
        if !self.api.login_cookies.is_empty() {
            lines.push(format!("login cookie: {}", self.api.login_cookies.join(", ")));
        }
        lines.iter().map(|line| terminal::printable(line)).collect()
    }
}

/// A page, or that there is none: documentation can be switched off.
fn page(url: &str) -> Result<Option<Page>, FetchError> {
    match fetch::text(url) {
        Ok(html) if html.len() <= LONGEST_PAGE => Ok(Some(Page::scan(&html))),
        Ok(_) | Err(FetchError::Status { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
