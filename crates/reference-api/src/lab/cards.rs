//! The attacks of the lab, as data: what each is, how it may be stopped, what to say of either end.

use super::switches::Switch;

/// One attack.
#[derive(Debug)]
pub(crate) struct Card {
    /// Its name in addresses, and in the script, which runs it.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Two sentences: what the attacker does, and what it leads to.
    pub(crate) what: [&'static str; 2],
    /// What stands in its way.
    pub(crate) guard: &'static str,
    /// What a person reads where it was stopped.
    pub(crate) stopped: &'static str,
    /// What a person reads where it was not.
    pub(crate) succeeded: &'static str,
    /// The control that can be switched off, where nothing else would stop it.
    pub(crate) switch: Option<Switch>,
}

/// Cards that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) cards: &'static [Card],
}

/// All cards, in the order of the page.
pub(crate) const GROUPS: &[Group] = &[BROWSER, INPUT, CREDENTIALS];

const BROWSER: Group = Group {
    id: "browser",
    title: "In the victim’s browser",
    lead: "The attacker has a site of their own, or has put text on yours. The application below is written the way \
           quick tutorials are, so only Bartizan is in the way: switch a control off, and the same attack succeeds.",
    cards: &[
        Card {
            id: "foreign-fetch",
            title: "Foreign fetch",
            what: [
                "A page on another site asks this API for the victim’s account, and the browser sends her cookie along.",
                "If the API says that the page may read the answer, the attacker has her data.",
            ],
            guard: "CORS, with isolation: an answer is shared only with origins that the policy trusts; other pages may not even load it.",
            stopped: "The attacker’s script got no answer to read.",
            succeeded: "The attacker’s script read the victim’s account.",
            switch: Some(Switch::Cors),
        },
        Card {
            id: "foreign-form",
            title: "Foreign form",
            what: [
                "A page on another site submits a form to this API as soon as the victim opens it.",
                "The browser sends her cookie along, so the bank takes it for her own wish and moves her money.",
            ],
            guard: "CSRF: a request that changes something is refused when the browser says another site sent it.",
            stopped: "The form arrived and was refused before the bank saw it.",
            succeeded: "The bank moved the victim’s money.",
            switch: Some(Switch::Csrf),
        },
        Card {
            id: "stolen-cookie",
            title: "Stolen cookie",
            what: [
                "A script that got into the page reads the victim’s login from document.cookie.",
                "Whoever has that value is signed in as her, from anywhere.",
            ],
            guard: "Cookies: the bank forgot HttpOnly; Bartizan adds it to every cookie that passes.",
            stopped: "The victim is signed in, and her login is not among the cookies that a script can read.",
            succeeded: "The script read the victim’s login.",
            switch: Some(Switch::Cookies),
        },
        Card {
            id: "stored-xss",
            title: "Stored script",
            what: [
                "The attacker leaves a comment with a script in it, and the page shows comments as they were written.",
                "The script runs for everyone who opens the page, with all that they may do.",
            ],
            guard: "Content-Security-Policy: a page runs only scripts of its own files, or with this response’s nonce.",
            stopped: "The comment reached the page with its script, and the browser did not run it.",
            succeeded: "The attacker’s script ran in the victim’s page.",
            switch: Some(Switch::Csp),
        },
        Card {
            id: "reflected-xss",
            title: "Reflected script",
            what: [
                "The attacker’s page sends the victim to a search on this site, with a script as what she searches for.",
                "The page repeats what was searched for, and the script runs as part of it.",
            ],
            guard: "Content-Security-Policy: a script in the page’s text has no nonce, so it does not run.",
            stopped: "The search page came with the script in it, and the browser did not run it.",
            succeeded: "The attacker’s script ran in the victim’s page.",
            switch: Some(Switch::Csp),
        },
        Card {
            id: "framing",
            title: "Framing",
            what: [
                "The attacker’s page shows the bank in a frame and puts a prize where its button is.",
                "The victim thinks that she claims a prize, and presses “Send”.",
            ],
            guard: "Headers: X-Frame-Options and frame-ancestors forbid other pages to show this one.",
            stopped: "The browser refused to show the bank inside the attacker’s page.",
            succeeded: "The attacker’s page shows the bank. Press the prize to send the victim’s money.",
            switch: Some(Switch::Headers),
        },
        Card {
            id: "sniffing",
            title: "MIME sniffing",
            what: [
                "The attacker uploads a picture that is a page with a script, and the site serves it without a type.",
                "The browser guesses from the content, takes it for a page of this site, and runs the script.",
            ],
            guard: "Headers: nosniff forbids the guess, and what is no page gets a policy under which nothing runs.",
            stopped: "The browser showed the file as the text that it is.",
            succeeded: "The browser took the upload for a page, and its script ran as this site.",
            switch: Some(Switch::Headers),
        },
    ],
};

const INPUT: Group = Group {
    id: "input",
    title: "In what is sent",
    lead: "The attacker writes a request by hand. These go to the API itself, and there is nothing to switch off: \
           types stand where text would be trusted.",
    cards: &[
        Card {
            id: "sql-injection",
            title: "SQL injection",
            what: [
                "The attacker searches for a user whose name is a piece of SQL.",
                "Pasted into the query, it is true for every row, and the whole table comes back.",
            ],
            guard: "Static SQL with bound values: a query that is put together from text does not compile.",
            stopped: "The text was looked for as a name, which nobody has, and an id that is no number was refused.",
            succeeded: "The API returned users that the text should not have found.",
            switch: None,
        },
        Card {
            id: "command-injection",
            title: "Command injection",
            what: [
                "The API pings a host for its users, and the attacker’s host name goes on with a second command.",
                "Where a shell sees the text, that command runs on the server.",
            ],
            guard: "A host name is a type that only a valid name becomes, and no shell is ever started.",
            stopped: "None of the names was a host name, and no process was started.",
            succeeded: "A name that is no host name was accepted.",
            switch: None,
        },
        Card {
            id: "path-traversal",
            title: "Path traversal",
            what: [
                "The attacker asks for a file whose name climbs out of the folder: ../../etc/passwd, encoded.",
                "Where the name is joined to a path, any file of the server can be read.",
            ],
            guard: "The request firewall refuses such paths, and files are opened beneath their folder by the system itself.",
            stopped: "Each spelling was refused before any file was looked for.",
            succeeded: "A path that leaves the folder was answered.",
            switch: None,
        },
    ],
};

const CREDENTIALS: Group = Group {
    id: "credentials",
    title: "In what proves who you are",
    lead: "The attacker has a token, a key or a guess. The lab gets a real one for the account alice first, and shows \
           that it works.",
    cards: &[
        Card {
            id: "forged-token",
            title: "Forged token",
            what: [
                "The attacker takes a valid token, writes another user’s name into it, and keeps the signature.",
                "A server that reads the claims before it verifies them takes them for true.",
            ],
            guard: "A token counts only if the key that it names has signed exactly these bytes.",
            stopped: "The token that was issued works; the altered one is refused.",
            succeeded: "The altered token was accepted.",
            switch: None,
        },
        Card {
            id: "expired-token",
            title: "Expired token",
            what: [
                "The attacker found a token in an old log: properly signed, and its time is over.",
                "A server that does not look at the time accepts it for ever.",
            ],
            guard: "Every token must say when it ends, and ends then.",
            stopped: "The signature is right, and the token is refused because its time is over.",
            succeeded: "The expired token was accepted.",
            switch: None,
        },
        Card {
            id: "unsigned-token",
            title: "Unsigned token (alg: none)",
            what: [
                "The attacker writes a token whose header says that it needs no signature.",
                "Libraries that let the token choose its algorithm have accepted such tokens.",
            ],
            guard: "A key has one algorithm, and a token cannot choose another. “none” is not among them.",
            stopped: "The token was refused when its header was read, before any key was looked up.",
            succeeded: "The unsigned token was accepted.",
            switch: None,
        },
        Card {
            id: "replayed-token",
            title: "Replayed CSRF token",
            what: [
                "The attacker saw a CSRF token that the victim has used, and sends it once more.",
                "Where a token is good for a whole session, the second transfer goes through like the first.",
            ],
            guard: "On this route each token is good for one request, on however many servers.",
            stopped: "The first transfer went through; the same token was refused the second time.",
            succeeded: "The second transfer went through with the used token.",
            switch: Some(Switch::Csrf),
        },
        Card {
            id: "guessed-password",
            title: "Guessed password",
            what: [
                "The attacker tries the passwords that most people use, one after the other.",
                "Nothing but patience is needed where nobody counts.",
            ],
            guard: "Login protection: failures are counted by account and address, and nobody else is locked out.",
            stopped: "After a few wrong guesses no further one is looked at, right or wrong.",
            succeeded: "All guesses were looked at.",
            switch: None,
        },
        Card {
            id: "leaked-key",
            title: "Leaked API key",
            what: [
                "A key was published by mistake, and its owner has rotated it since.",
                "Where rotation only adds a new key, the leaked one opens the API as before.",
            ],
            guard: "Rotation gives the old key an end that is never later than the one it had; here, at once.",
            stopped: "The new key works; the leaked one is refused.",
            succeeded: "The leaked key was accepted after the rotation.",
            switch: None,
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_is_a_card_for_each_threat_and_each_says_all() {
        let cards: Vec<&Card> = GROUPS.iter().flat_map(|group| group.cards).collect();
        assert_eq!(cards.len(), 16);
        let ids: BTreeSet<_> = cards.iter().map(|card| card.id).collect();
        assert_eq!(ids.len(), cards.len());
        for card in cards {
            for text in card.what.into_iter().chain([card.guard, card.stopped, card.succeeded]) {
                assert!(text.ends_with('.') && !text.contains('"'), "{}: {text}", card.id);
            }
        }
    }

    #[test]
    fn what_a_browser_enforces_has_a_switch_and_so_has_the_other_card_of_csrf() {
        for group in GROUPS {
            for card in group.cards {
                let is_switched = group.id == "browser" || card.id == "replayed-token";
                assert_eq!(card.switch.is_some(), is_switched, "{}", card.id);
            }
        }
    }
}
