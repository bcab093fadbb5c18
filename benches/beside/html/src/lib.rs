//! `bartizan_sinks::html::clean` and `ammonia::clean`, and what both clean.

use std::sync::LazyLock;

use bartizan_sinks::html::{self, Policy};

/// Made once, as ammonia's is.
static POLICY: LazyLock<Policy> = LazyLock::new(Policy::rich_text);

/// Cleans with ours.
pub fn ours(input: &str) -> usize {
    html::clean(input, &POLICY).as_str().len()
}

/// Cleans with theirs.
pub fn theirs(input: &str) -> usize {
    ammonia::clean(input).len()
}

/// The inputs, by name.
pub const INPUTS: [(&str, fn() -> String); 6] = [
    ("plain", plain),
    ("plain_long", plain_long),
    ("comment", comment),
    ("article", article),
    ("misnested", misnested),
    ("nested", nested),
];

/// A comment without markup, of 280 characters.
pub fn plain() -> String {
    let text =
        "I have used this for three years now, on two machines, and never had a reason to look elsewhere. ";
    text.repeat(3).chars().take(280).collect()
}

/// Text without markup, of 100 KB.
pub fn plain_long() -> String {
    plain().repeat(366)
}

/// A comment with three tags.
pub fn comment() -> String {
    "I <b>really</b> like it, and <i>so does</i> my cat. There is more about it \
     <a href=\"https://blog.example/cats?page=2\">on my blog</a>, if you care to read that."
        .to_owned()
}

/// An article of 100 KB, as an editor writes it: headings, paragraphs, lists, code, quotes, a table.
pub fn article() -> String {
    let part = "<h2>On walls</h2>\n<p>The first thing that one <em>sees</em> of a castle is its <a \
                href=\"https://castles.example/walls?of=stone&amp;page=2\" title=\"More\">wall</a>. It is \
                <strong>thick</strong>, and &quot;old&quot;; nobody knows <b>who</b> built it.</p>\n<ul>\n<li>Stone, of \
                the <i>near</i> hill</li>\n<li>Lime</li>\n<li>Sand of the river</li>\n</ul>\n<blockquote \
                cite=\"https://books.example/1\"><p>Whoever owns the wall owns the field before \
                it.</p></blockquote>\n<pre><code>height = 12 &lt; 13\n</code></pre>\n<table><thead><tr><th \
                scope=\"col\">Part</th><th>Metres</th></tr></thead><tbody><tr><td>Gate</td><td \
                colspan=\"2\">4</td></tr><tr><td>Tower</td><td>21</td></tr></tbody></table>\n<p>What remains of it \
                stands in the sun for most of the year, and in winter the snow covers the parts that fell; the guide \
                tells you which.<br>Take good shoes.</p>\n";
    part.repeat(100_000 / part.len() + 1)
}

/// Markup whose tags cross each other, within all limits.
pub fn misnested() -> String {
    "<p><b><i>a<p>b</b>c</i><ul><li><a href=/x>d<li>e</a></ul><table><b>f<tr><td><i>g</table>".repeat(20)
}

/// Elements inside each other, 5 000 deep.
pub fn nested() -> String {
    "<div><b>".repeat(2_500)
}
