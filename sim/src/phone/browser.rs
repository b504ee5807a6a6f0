//! What a browser fetches beside a page: its icon and what it links to. It runs no scripts.

/// Every browser asks for this sooner or later, and never for a page's own icon alone.
pub(super) const ICON: &str = "/favicon.ico";

/// What one page leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// A path on the same server.
    Here(String),
    /// Something on the internet.
    Elsewhere(String),
}

/// What a page links to, in its order. Places within the page and data in links lead nowhere.
pub(super) fn links(page: &[u8]) -> Vec<Link> {
    let page = String::from_utf8_lossy(page);
    let mut links = Vec::new();
    for part in ["href=", "src="].into_iter().flat_map(|attribute| page.split(attribute).skip(1)) {
        let target = match part.chars().next() {
            Some(quote @ ('"' | '\'')) => part[1..].split(quote).next(),
            Some(_) | None => part.split(|c: char| c.is_whitespace() || c == '>').next(),
        };
        links.extend(target.and_then(link));
    }
    links
}

fn link(target: &str) -> Option<Link> {
    if target.is_empty() || target.starts_with('#') {
        return None;
    }
    if target.starts_with("//") || target.contains("://") {
        return Some(Link::Elsewhere(target.to_owned()));
    }
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || c == '+';
    if target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(is_scheme)) {
        // `data:`, `javascript:` and the like.
        return None;
    }
    Some(Link::Here(format!("/{}", target.trim_start_matches('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_where_its_links_say() {
        let page =
            b"<link rel=icon href=\"data:,\"><a href='/reset'>x</a><a href=more>y</a><img src=//cdn/x.png>\
                     <a href=\"#top\">z</a><script src=\"https://example.com/a.js\"></script>";
        let here = |path: &str| Link::Here(path.to_owned());
        let elsewhere = |target: &str| Link::Elsewhere(target.to_owned());
        let expected =
            [here("/reset"), here("/more"), elsewhere("//cdn/x.png"), elsewhere("https://example.com/a.js")];
        assert_eq!(links(page), expected);
    }
}
