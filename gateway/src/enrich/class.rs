//! What sort of thing a user agent's text tells that it runs on.

use super::layout::Devices;

/// What sort of thing a user agent runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Desktop,
    Mobile,
    Tablet,
    Tv,
    /// On anything: nobody sits before it.
    Robot,
}

impl Class {
    /// By what the text has in it. Browsers of phones say `Mobi`, those of Android's tablets do not
    /// (<https://developer.mozilla.org/docs/Web/HTTP/Guides/Browser_detection_using_the_user_agent>).
    pub(super) fn of(text: &str) -> Option<Self> {
        const TVS: [&str; 11] = [
            "SmartTV",
            "SMART-TV",
            "Smart TV",
            "AppleTV",
            "Apple TV",
            "GoogleTV",
            "Android TV",
            "HbbTV",
            "CrKey",
            "Roku",
            "BRAVIA",
        ];
        const DESKTOPS: [&str; 4] = ["Windows NT", "Macintosh", "X11", "CrOS"];
        let has = |part: &&str| text.contains(*part);
        let any = |parts: &[&str]| parts.iter().any(has);
        if is_robot(text) {
            Some(Self::Robot)
        } else if any(&TVS) {
            Some(Self::Tv)
        } else if any(&["iPad", "Tablet", "tablet"]) {
            Some(Self::Tablet)
        } else if any(&["Mobi", "iPhone", "iPod", "Opera Mini"]) {
            Some(Self::Mobile)
        } else if any(&["Android"]) && any(&["Mozilla/"]) {
            Some(Self::Tablet)
        } else if any(&DESKTOPS) {
            Some(Self::Desktop)
        } else {
            None
        }
    }

    pub(super) fn name(self, devices: &Devices) -> Option<&'static str> {
        match self {
            Self::Desktop => Some(devices.desktop),
            Self::Mobile => Some(devices.mobile),
            Self::Tablet => Some(devices.tablet),
            Self::Tv => Some(devices.tv),
            Self::Robot => devices.robot,
        }
    }

    /// Whether it is one to carry around.
    pub(super) fn is_mobile(self) -> bool {
        matches!(self, Self::Mobile | Self::Tablet)
    }
}

/// Whether it says so itself: a word that ends in one of these.
fn is_robot(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|character: char| !character.is_ascii_alphanumeric());
    let named = |word: &str| {
        // Cubot makes phones.
        (word.ends_with("bot") && word != "cubot")
            || word.ends_with("crawler")
            || word.ends_with("spider")
    };
    words.into_iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_no_robot_for_its_makers_name() {
        let text = "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/100.0 Mobile Safari/537.36";
        assert_eq!(Class::of(text), Some(Class::Mobile));
        let text =
            "Mozilla/5.0 (Linux; Android 9; SM-T860) AppleWebKit/537.36 Chrome/100.0 Safari/537.36";
        assert_eq!(Class::of(text), Some(Class::Tablet));
        assert_eq!(
            Class::of("Baiduspider+(+http://www.baidu.com)"),
            Some(Class::Robot)
        );
    }
}
