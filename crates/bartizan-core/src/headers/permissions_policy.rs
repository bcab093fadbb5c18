//! `Permissions-Policy` (W3C Permissions Policy §6.1): browser features that pages do without.
//!
//! The features that reach into a visitor's room, devices, habits or clipboard are switched off for the page
//! and everything that it frames, so that a script that should not run cannot ask for them either. What pages
//! of an API do use stays at the browser's default: passkeys (`publickey-credentials-*`), `clipboard-write`
//! (the copy button of documentation pages), `fullscreen`, `payment`, and whatever needs no permission.
//!
//! Browsers warn on the console of features that they do not know, so each name here is one that Chromium 156
//! has. (It has `bluetooth` and `web-share` on the platforms that they work on; elsewhere, desktop Linux for
//! one, it logs that it does not recognise them. Firefox and Safari take other subsets and ignore the rest.)

use alloc::{boxed::Box, format, string::String, vec::Vec};

use thiserror::Error;

use crate::spelling::nearest;

/// The features that are switched off, in the order of the header.
pub const SWITCHED_OFF: &[&str] = &[
    "camera",
    "microphone",
    "geolocation",
    "usb",
    "serial",
    "hid",
    "bluetooth",
    "midi",
    "display-capture",
    "accelerometer",
    "gyroscope",
    "magnetometer",
    "browsing-topics",
    "clipboard-read",
    "idle-detection",
    "local-fonts",
    "window-management",
    "xr-spatial-tracking",
];

/// Other features that Chromium 156 has, client hints apart: at the browser's default in any case.
const LEFT_ALONE: &[&str] = &[
    "aria-notify",
    "autoplay",
    "captured-surface-control",
    "clipboard-write",
    "compute-pressure",
    "cross-origin-isolated",
    "deferred-fetch",
    "deferred-fetch-minimal",
    "digital-credentials-create",
    "digital-credentials-get",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "identity-credentials-get",
    "interest-cohort",
    "keyboard-map",
    "language-detector",
    "language-model",
    "local-network",
    "local-network-access",
    "loopback-network",
    "media-playback-while-not-visible",
    "on-device-speech-recognition",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "private-state-token-issuance",
    "private-state-token-redemption",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "speaker-selection",
    "storage-access",
    "summarizer",
    "sync-xhr",
    "translator",
    "unload",
    "web-share",
];

/// One fault in the list of allowed features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureFault {
    /// The place in the list, from 0.
    pub index: usize,
    /// What was written there.
    pub value: String,
    /// What is wrong.
    pub error: FeatureError,
}

/// What can be wrong with a feature's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// No browser has such a feature.
    #[error("no browser has a feature of this name")]
    Unknown(Option<&'static str>),
    /// The feature is there already.
    #[error("this is there already, at [{first}]")]
    Duplicate {
        /// Where, from 0.
        first: usize,
    },
}

impl FeatureError {
    /// The stable name of the fault.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "permissions-policy.unknown-feature",
            Self::Duplicate { .. } => "permissions-policy.duplicate",
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(Some(near)) => Some(format!("did you mean \"{near}\"?")),
            Self::Unknown(None) => {
                Some(format!("those that are switched off are {}", SWITCHED_OFF.join(", ")))
            }
            Self::Duplicate { .. } => None,
        }
    }
}

/// The header's value, with `allow_features` left at the browser's default; or all that is wrong with them.
///
/// It is a structured field: a dictionary of features, each with an empty list of origins (RFC 9651 §3.2). The
/// value is empty where every feature is allowed: there is no header to send then.
///
/// ```
/// use bartizan_core::headers::permissions_policy;
/// let value = permissions_policy::value(&["camera".to_string(), "fullscreen".to_string()]).unwrap();
/// assert!(value.starts_with("microphone=(), geolocation=(), usb=()"));
///
/// let faults = permissions_policy::value(&["micropone".to_string()]).unwrap_err();
/// assert_eq!(faults[0].error.hint().unwrap(), "did you mean \"microphone\"?");
/// ```
pub fn value(allow_features: &[String]) -> Result<Box<str>, Vec<FeatureFault>> {
    let mut faults = Vec::new();
    for (index, name) in allow_features.iter().enumerate() {
        let known = || SWITCHED_OFF.iter().chain(LEFT_ALONE).copied();
        let error = if !known().any(|feature| feature == name) {
            FeatureError::Unknown(nearest(name, known()))
        } else if let Some(first) = allow_features.iter().take(index).position(|earlier| earlier == name) {
            FeatureError::Duplicate { first }
        } else {
            continue;
        };
        faults.push(FeatureFault { index, value: name.clone(), error });
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let off = SWITCHED_OFF.iter().filter(|feature| !allow_features.iter().any(|allowed| allowed == *feature));
    Ok(off.map(|feature| format!("{feature}=()")).collect::<Vec<_>>().join(", ").into())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_value_is_exact() {
        assert_eq!(
            &*value(&[]).unwrap(),
            "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), bluetooth=(), midi=(), \
             display-capture=(), accelerometer=(), gyroscope=(), magnetometer=(), browsing-topics=(), \
             clipboard-read=(), idle-detection=(), local-fonts=(), window-management=(), xr-spatial-tracking=()"
        );
    }

    #[test]
    fn what_pages_use_is_left_alone() {
        let value = value(&[]).unwrap();
        for feature in [
            "publickey-credentials-get",
            "publickey-credentials-create",
            "clipboard-write",
            "fullscreen",
            "payment",
        ] {
            assert!(!value.contains(feature), "{feature}");
        }
    }

    #[test]
    fn allowed_features_are_left_out() {
        assert_eq!(
            &*value(&list(&["microphone", "payment", "camera"])).unwrap(),
            value(&[]).unwrap().replace("camera=(), microphone=(), ", "")
        );
        assert_eq!(&*value(&list(SWITCHED_OFF)).unwrap(), "");
    }

    #[test]
    fn all_faults_come_together() {
        let faults = value(&list(&["usb", "Camera", "geo-location", "nonsense", "usb", ""])).unwrap_err();
        let found: Vec<_> = faults.iter().map(|fault| (fault.index, &*fault.value, fault.error)).collect();
        assert_eq!(
            found,
            [
                (1, "Camera", FeatureError::Unknown(Some("camera"))),
                (2, "geo-location", FeatureError::Unknown(Some("geolocation"))),
                (3, "nonsense", FeatureError::Unknown(None)),
                (4, "usb", FeatureError::Duplicate { first: 0 }),
                (5, "", FeatureError::Unknown(None)),
            ]
        );
        assert_eq!(FeatureError::Unknown(None).code(), "permissions-policy.unknown-feature");
        assert_eq!(FeatureError::Duplicate { first: 0 }.code(), "permissions-policy.duplicate");
        assert!(FeatureError::Unknown(None).hint().unwrap().contains("camera, microphone"));
    }

    #[test]
    fn no_feature_is_listed_twice() {
        for (place, feature) in SWITCHED_OFF.iter().enumerate() {
            assert!(!SWITCHED_OFF[..place].contains(feature) && !LEFT_ALONE.contains(feature), "{feature}");
        }
    }
}
