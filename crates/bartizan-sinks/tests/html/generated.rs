//! Attacks put together by chance from parts that parsers stumble over. The same seed gives the same attacks.

/// A small generator of numbers: xorshift64* (Vigna 2016), for a sequence that no dependency changes.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits fit") % end
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What surrounds: elements that change how the rest is read, scopes, formatting, tables.
const TAGS: &[&str] = &[
    "a",
    "b",
    "i",
    "em",
    "nobr",
    "font",
    "p",
    "div",
    "h1",
    "ul",
    "li",
    "dl",
    "dd",
    "table",
    "caption",
    "tbody",
    "tr",
    "td",
    "th",
    "col",
    "colgroup",
    "select",
    "option",
    "optgroup",
    "button",
    "form",
    "input",
    "object",
    "applet",
    "marquee",
    "template",
    "svg",
    "math",
    "mi",
    "mtext",
    "annotation-xml",
    "foreignObject",
    "desc",
    "title",
    "mglyph",
    "malignmark",
    "style",
    "script",
    "noscript",
    "noembed",
    "noframes",
    "iframe",
    "textarea",
    "xmp",
    "plaintext",
    "listing",
    "pre",
    "ruby",
    "rt",
    "rp",
    "rtc",
    "br",
    "hr",
    "img",
    "image",
    "frameset",
    "html",
    "head",
    "body",
    "x-y",
    "selectedcontent",
    "details",
    "summary",
    "dialog",
    "fieldset",
    "label",
    "video",
    "audio",
    "u",
    "code",
    "main",
];

/// What would run.
const PAYLOADS: &[&str] = &[
    "<img src=x onerror=ran()>",
    "<script>ran()</script>",
    "<svg onload=ran()>",
    "<a href=javascript:ran()>x</a>",
    "<a href='java&Tab;script&colon;ran()'>x</a>",
    "<iframe srcdoc='<script>parent.ran()</script>'></iframe>",
    "<b id=config style='position:fixed;inset:0' class=overlay onclick=ran()>x</b>",
    "<style>*{visibility:hidden}</style>",
    "<math><mi><img src=x onerror=ran()>",
];

/// What is between.
const TEXTS: &[&str] = &[
    "x",
    " ",
    "\n",
    "<",
    ">",
    "&",
    "\"",
    "'",
    "`",
    "/",
    "=",
    "--",
    "-->",
    "<!--",
    "<!-->",
    "--!>",
    "]]>",
    "<![CDATA[",
    "<?x",
    "<!x",
    "&lt;",
    "&amp;",
    "&#60;",
    "&quot;",
    "&nbsp;",
    "&#0;",
    "&#13;",
    "\0",
    "\r",
    "\u{a0}",
    "\u{feff}",
    "</",
    "</p>",
    "</br>",
    "<!doctype html>",
];

const ATTRIBUTES: &[&str] = &[
    "onclick=ran()",
    "onerror=ran()",
    "href=javascript:ran()",
    "href=' &#1;javascript:ran()'",
    "href=#x",
    "href=/x",
    "src=x",
    "style=color:red",
    "id=config",
    "name=config",
    "class=overlay",
    "encoding=text/html",
    "title=x",
    "lang=fr",
    "title='--><img src=x onerror=ran()>'",
    "title='</style><img src=x onerror=ran()>'",
    "type=hidden",
    "a",
    "/",
    "=",
    "title=\"</title></textarea></noscript><img src=x onerror=ran()>\"",
    "color=red",
    "shadowrootmode=open",
];

/// One attack.
pub(crate) fn attack(chance: &mut Chance) -> String {
    let mut html = String::new();
    let mut open = Vec::new();
    for _ in 0..2 + chance.below(14) {
        match chance.below(10) {
            0..=3 => {
                let tag = chance.one(TAGS);
                start(chance, &mut html, tag);
                open.push(tag);
            }
            4 | 5 => {
                // Mostly not the one that is open.
                let tag = match open.pop() {
                    Some(tag) if chance.below(2) == 0 => tag,
                    _ => chance.one(TAGS),
                };
                html.extend(["</", tag, ">"]);
            }
            6 | 7 => html.push_str(chance.one(TEXTS)),
            _ => html.push_str(chance.one(PAYLOADS)),
        }
    }
    html.push_str(chance.one(PAYLOADS));
    // Now and then the end is missing, or a part is there twice.
    if chance.below(5) == 0 {
        let end = html.floor_char_boundary(chance.below(html.len()));
        html.truncate(end);
    }
    if chance.below(5) == 0 {
        html = html.repeat(2);
    }
    html
}

fn start(chance: &mut Chance, html: &mut String, tag: &str) {
    html.push('<');
    for letter in tag.chars() {
        html.push(if chance.below(8) == 0 { letter.to_ascii_uppercase() } else { letter });
    }
    for _ in 0..chance.below(3) {
        html.push_str(chance.one(&[" ", "\n", "/", "\t", " / "]));
        html.push_str(chance.one(ATTRIBUTES));
    }
    html.push_str(chance.one(&[">", ">", ">", " >", "/>", "\n>"]));
}

/// As many as asked for.
pub(crate) fn attacks(seed: u64, count: usize) -> Vec<String> {
    let mut chance = Chance::new(seed);
    (0..count).map(|_| attack(&mut chance)).collect()
}
