//! The directives of Content Security Policy, and what each may hold.

/// Declares the directives in the order in which they are rendered.
macro_rules! directives {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $syntax:ident; )+) => {
        /// A directive that browsers know.
        ///
        /// The order is the order of a rendered policy: what is loaded, then where the document may send its
        /// visitors, then who may frame it, then the rest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Directive { $( $(#[$doc])* $variant, )+ }

        impl Directive {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$variant, )+ ];

            /// The name, as it is written.
            pub const fn as_str(self) -> &'static str { match self { $( Self::$variant => $name, )+ } }

            /// What stands behind the name.
            pub(super) const fn syntax(self) -> Syntax { match self { $( Self::$variant => Syntax::$syntax, )+ } }
        }
    };
}

directives! {
    /// What the fetch directives fall back to (CSP3 §6.1.3).
    DefaultSrc = "default-src", Sources;
    /// Scripts (§6.1.10).
    ScriptSrc = "script-src", Sources;
    /// Script elements (§6.1.11).
    ScriptSrcElem = "script-src-elem", Sources;
    /// Event handler attributes (§6.1.12).
    ScriptSrcAttr = "script-src-attr", Sources;
    /// Styles (§6.1.13).
    StyleSrc = "style-src", Sources;
    /// Style elements and sheets (§6.1.14).
    StyleSrcElem = "style-src-elem", Sources;
    /// Style attributes (§6.1.15).
    StyleSrcAttr = "style-src-attr", Sources;
    /// Images (§6.1.6).
    ImgSrc = "img-src", Sources;
    /// Fonts (§6.1.4).
    FontSrc = "font-src", Sources;
    /// `fetch`, XHR, WebSocket, server-sent events, beacons (§6.1.2).
    ConnectSrc = "connect-src", Sources;
    /// Audio, video, tracks (§6.1.8).
    MediaSrc = "media-src", Sources;
    /// The web app manifest (§6.1.7).
    ManifestSrc = "manifest-src", Sources;
    /// Workers of all kinds (§6.1.16).
    WorkerSrc = "worker-src", Sources;
    /// What frames and workers fall back to (§6.1.1).
    ChildSrc = "child-src", Sources;
    /// Frames inside the document (§6.1.5).
    FrameSrc = "frame-src", Sources;
    /// Fenced frames inside the document (Fenced Frame specification).
    FencedFrameSrc = "fenced-frame-src", Sources;
    /// `object` and `embed` (§6.1.9).
    ObjectSrc = "object-src", Sources;
    /// What `<base>` may name (§6.3.1).
    BaseUri = "base-uri", Sources;
    /// Where forms may be sent (§6.4.1).
    FormAction = "form-action", Sources;
    /// Who may frame the document (§6.4.2).
    FrameAncestors = "frame-ancestors", Sources;
    /// The document as if in a sandboxed frame (§6.3.2).
    Sandbox = "sandbox", Sandbox;
    /// Whether WebRTC may connect (§6.2.1).
    Webrtc = "webrtc", Webrtc;
    /// Plain http URLs are fetched over https (Upgrade Insecure Requests §3.1).
    UpgradeInsecureRequests = "upgrade-insecure-requests", Flag;
    /// Which sinks take only typed values (Trusted Types §4.2.1).
    RequireTrustedTypesFor = "require-trusted-types-for", TrustedTypesSinks;
    /// Which Trusted Types policies may be made (Trusted Types §4.2.2).
    TrustedTypes = "trusted-types", TrustedTypes;
    /// The reporting endpoint's name (§6.5.2).
    ReportTo = "report-to", ReportTo;
    /// The reporting endpoint's address, for browsers without `report-to` (§6.5.1).
    ReportUri = "report-uri", ReportUri;
}

/// What stands behind a directive's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Sources,
    Sandbox,
    Webrtc,
    Flag,
    TrustedTypesSinks,
    TrustedTypes,
    ReportTo,
    ReportUri,
}

/// The tokens of `sandbox` (HTML, "parse a sandboxing directive").
pub(super) const SANDBOX_TOKENS: &[&str] = &[
    "allow-downloads",
    "allow-forms",
    "allow-modals",
    "allow-orientation-lock",
    "allow-pointer-lock",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-presentation",
    "allow-same-origin",
    "allow-scripts",
    "allow-storage-access-by-user-activation",
    "allow-top-navigation",
    "allow-top-navigation-by-user-activation",
    "allow-top-navigation-to-custom-protocols",
];

/// Directives of earlier drafts that browsers ignore, and what to write instead.
const WITHDRAWN: &[(&str, &str)] = &[
    ("block-all-mixed-content", "upgrade-insecure-requests"),
    ("navigate-to", "form-action"),
    ("plugin-types", "object-src"),
    ("prefetch-src", "default-src"),
    ("referrer", "the Referrer-Policy header"),
    ("reflected-xss", "script-src"),
    ("require-sri-for", "hashes in script-src"),
];

impl Directive {
    /// The directive of this name, in lower case as the standard writes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|directive| directive.as_str() == name)
    }

    /// What to write instead of a directive that was withdrawn.
    pub(super) fn instead_of(name: &str) -> Option<&'static str> {
        WITHDRAWN.iter().find(|(withdrawn, _)| *withdrawn == name).map(|(_, instead)| *instead)
    }

    /// Whether it governs scripts: `default-src` does, wherever `script-src` is absent.
    pub(super) const fn governs_scripts(self) -> bool {
        matches!(self, Self::DefaultSrc | Self::ScriptSrc | Self::ScriptSrcElem | Self::ScriptSrcAttr)
    }

    /// Whether it governs styles.
    pub(super) const fn governs_styles(self) -> bool {
        matches!(self, Self::DefaultSrc | Self::StyleSrc | Self::StyleSrcElem | Self::StyleSrcAttr)
    }

    /// Whether it governs attributes only, which can carry neither a nonce nor a loaded script.
    pub(super) const fn governs_attributes_only(self) -> bool {
        matches!(self, Self::ScriptSrcAttr | Self::StyleSrcAttr)
    }

    /// Whether a source that anyone can serve from lets anyone's code run: scripts, plug-ins, and the base
    /// URL that relative script URLs are resolved against.
    pub(super) const fn lets_code_in(self) -> bool {
        self.governs_scripts() || matches!(self, Self::ObjectSrc | Self::BaseUri)
    }

    /// Whether browsers act on it in `Content-Security-Policy-Report-Only` (CSP3 §6.3.2, UIR §3.1).
    pub(super) const fn works_in_report_only(self) -> bool {
        !matches!(self, Self::Sandbox | Self::UpgradeInsecureRequests)
    }
}
