//! Which page comes next, and when there is none.
//!
//! A link or mark that repeats is an error: following it would never end. An empty page with a new one points on, as
//! servers that filter late give it. Where pages are numbered or skipped, only an empty one is the last for sure: a short
//! one may be all that the server gives at once. Some servers have other ends, a refusal or the last page once more.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::answer::Page;
use super::rows_path::{Elements, RowsPath, kind, path};
use crate::model::http_query::{self, CursorPaging, OffsetPaging, PagePaging};
use crate::net::{ErrorClass, Url};
use crate::source::error::SourceError;

/// How pages follow one another.
#[derive(Clone, Debug)]
pub(super) enum Paging {
    None,
    NextLink(JsonPath),
    LinkHeader,
    Cursor { from: JsonPath, param: String },
    Offset(OffsetPaging),
    Page(PagePaging),
}

/// What to ask next.
pub(super) enum Next {
    /// The same request with these parameters.
    Params(Vec<(String, Value)>),
    /// An address of the same host.
    Link(Url),
}

impl Paging {
    pub(super) fn parse(paging: Option<&http_query::Paging>) -> Result<Paging, String> {
        Ok(match paging {
            None | Some(http_query::Paging::None | http_query::Paging::LinkHeader(false)) => Paging::None,
            Some(http_query::Paging::NextLink(text)) => Paging::NextLink(path("paging.next_link", text)?),
            Some(http_query::Paging::LinkHeader(true)) => Paging::LinkHeader,
            Some(http_query::Paging::Cursor(CursorPaging { from, param })) => {
                Paging::Cursor { from: path("paging.cursor.from", from)?, param: param.clone() }
            }
            Some(http_query::Paging::Offset(offset)) if offset.size == 0 => {
                return Err("paging.offset.size is 0; write the elements per page".to_owned());
            }
            Some(http_query::Paging::Offset(offset)) => Paging::Offset(offset.clone()),
            Some(http_query::Paging::Page(page)) if page.size == Some(0) => {
                return Err("paging.page.size is 0; write the elements per page, or leave it out".to_owned());
            }
            Some(http_query::Paging::Page(page)) if page.size_param.is_some() && page.size.is_none() => {
                return Err("paging.page has a size_param but no size; add the elements per page".to_owned());
            }
            Some(http_query::Paging::Page(page)) => Paging::Page(page.clone()),
        })
    }

    /// The setting whose pages are asked for by place, not by what the page before says.
    pub(super) fn counted(&self) -> Option<&'static str> {
        match self {
            Paging::None | Paging::NextLink(_) | Paging::LinkHeader | Paging::Cursor { .. } => None,
            Paging::Offset(_) => Some("paging.offset"),
            Paging::Page(_) => Some("paging.page"),
        }
    }

    /// The elements of a page that is full, where they are told.
    fn size(&self) -> Option<usize> {
        match self {
            Paging::None | Paging::NextLink(_) | Paging::LinkHeader | Paging::Cursor { .. } => None,
            Paging::Offset(OffsetPaging { size, .. }) => Some(*size),
            Paging::Page(PagePaging { size, .. }) => *size,
        }
    }

    /// The parameters that it sets itself.
    pub(super) fn params(&self) -> Vec<&str> {
        match self {
            Paging::None | Paging::NextLink(_) | Paging::LinkHeader => Vec::new(),
            Paging::Cursor { param, .. } => vec![param],
            Paging::Offset(OffsetPaging { param, size_param, .. })
            | Paging::Page(PagePaging { param, size_param, .. }) => {
                [Some(param), size_param.as_ref()].into_iter().flatten().map(String::as_str).collect()
            }
        }
    }
}

/// What a page turns out to be.
pub(super) enum Turn {
    /// It has rows, or may have.
    Page,
    /// There is no such page any more.
    End,
    /// It is the page before once more, which may mean that there is none any more; in words.
    Again(String),
}

/// The way through the pages of one request.
pub(super) struct Course<'a> {
    paging: &'a Paging,
    rows: &'a RowsPath,
    /// Of the first request.
    origin: String,
    seen: HashSet<String>,
    pages: u64,
    /// Of all pages.
    elements: usize,
    /// Of the page with the most.
    largest: usize,
    before: Option<Arc<Page>>,
}

impl<'a> Course<'a> {
    pub(super) fn new(paging: &'a Paging, rows: &'a RowsPath, base: &Url) -> Course<'a> {
        let origin = base.origin().ascii_serialization();
        Course { paging, rows, origin, seen: HashSet::new(), pages: 0, elements: 0, largest: 0, before: None }
    }

    pub(super) fn first(&self) -> Next {
        Next::Params(self.numbered())
    }

    /// Judges a page before its rows are taken over.
    pub(super) fn turn(&self, page: &Page) -> Result<Turn, SourceError> {
        let (Some(setting), Some(before)) = (self.paging.counted(), &self.before) else { return Ok(Turn::Page) };
        let before = self.elements_of(before)?.unwrap_or_default();
        // Fewer than fit: the end was near.
        let was_short = before.count() < self.paging.size().unwrap_or(self.largest);
        let number = self.pages + 1;
        if let Some(refusal) = &page.refused {
            // By these two the page itself is not there. The others may as well refuse to go that far.
            if was_short || matches!(refusal.status, 404 | 416) {
                return Ok(Turn::End);
            }
            let message = format!(
                "{} (asking for page {number}; if there is none any more, write as {setting}.size what a page holds, or another size)",
                refusal.error.message
            );
            return Err(SourceError { message, ..refusal.error.clone() });
        }
        let elements = self.elements_of(page)?.unwrap_or_default();
        if elements != before || elements.count() == 0 {
            return Ok(Turn::Page);
        }
        // With another page before it, it is known that the server heeds the parameter.
        let param = self.paging.params().first().copied().unwrap_or_default();
        match (was_short, self.pages) {
            (true, 1) => Ok(Turn::Again(format!(
                "{setting}: the second page is the first once more, so that only this one counts; if there are more, the API does not heed the parameter `{param}`: correct it"
            ))),
            (true, _) => Ok(Turn::End),
            (false, _) => Err(SourceError::new(
                ErrorClass::Unexpected,
                format!(
                    "{setting}: page {number} is the one before once more; if the API does not heed the parameter `{param}`, correct it; if it gives the last page beyond the end, write as size what a page holds; if rows are alike, ask for their ids too"
                ),
            )),
        }
    }

    /// What comes after a page that was asked at `url` and held so many rows.
    pub(super) fn after(&mut self, url: &Url, page: Arc<Page>, rows: usize) -> Result<Option<Next>, SourceError> {
        self.pages += 1;
        let elements = self.elements_of(&page)?.map_or(rows, Elements::count);
        self.elements += elements;
        self.largest = self.largest.max(elements);
        let Some(json) = page.json.as_ref() else { return Ok(None) };
        let is_empty = elements == 0;
        match self.paging {
            Paging::None => Ok(None),
            Paging::NextLink(from) => match mark(from, json, "paging.next_link")? {
                None => Ok(None),
                Some(Value::String(link)) => self.link(url, &link, is_empty),
                Some(_) => Err(SourceError::config(format!(
                    "paging.next_link: `{from}` leads to a number; it must be an address, or use cursor"
                ))),
            },
            Paging::LinkHeader => match page.links.iter().find_map(|links| next_of(links)) {
                None => Ok(None),
                Some(link) => self.link(url, link, is_empty),
            },
            Paging::Cursor { from, param } => {
                let Some(mark) = mark(from, json, "paging.cursor.from")? else { return Ok(None) };
                let is_new = self.once(mark.to_string(), "paging.cursor", is_empty)?;
                Ok(is_new.then(|| Next::Params(vec![(param.clone(), mark)])))
            }
            Paging::Offset(_) | Paging::Page(_) if is_empty => Ok(None),
            Paging::Offset(_) | Paging::Page(_) => {
                let next = Next::Params(self.numbered());
                self.before = Some(page);
                Ok(Some(next))
            }
        }
    }

    /// None where they are not counted, and can't be.
    fn elements_of<'p>(&self, page: &'p Page) -> Result<Option<Elements<'p>>, SourceError> {
        let Some(json) = page.json.as_ref() else { return Ok(Some(Elements::default())) };
        match self.rows.elements(json) {
            Err(cause) if self.paging.counted().is_some() => Err(SourceError::config(cause)),
            found => Ok(found.ok()),
        }
    }

    /// The parameters of a page that is asked for by number.
    fn numbered(&self) -> Vec<(String, Value)> {
        let (place, size) = match self.paging {
            Paging::None | Paging::NextLink(_) | Paging::LinkHeader | Paging::Cursor { .. } => return Vec::new(),
            Paging::Offset(OffsetPaging { param, size_param, size }) => {
                ((param.clone(), self.elements.into()), size_param.clone().map(|name| (name, (*size).into())))
            }
            Paging::Page(PagePaging { param, first, size_param, size }) => {
                let size = size_param.clone().zip(size.map(Value::from));
                ((param.clone(), (first + self.pages).into()), size)
            }
        };
        [Some(place), size].into_iter().flatten().collect()
    }

    fn link(&mut self, url: &Url, link: &str, is_empty: bool) -> Result<Option<Next>, SourceError> {
        self.seen.insert(url.to_string());
        let mut next = url.join(link.trim()).map_err(|_| {
            SourceError::new(ErrorClass::Unexpected, "paging: the next link is no address; check its path".to_owned())
        })?;
        next.set_fragment(None);
        let origin = next.origin().ascii_serialization();
        if origin != self.origin || !next.username().is_empty() || next.password().is_some() {
            return Err(SourceError::config(format!(
                "paging: the next link leads from {} to {origin}; it is not followed, so that credentials stay here: write the right scheme, host and port in url",
                self.origin
            )));
        }
        let is_new = self.once(next.to_string(), "paging: the next link", is_empty)?;
        Ok(is_new.then_some(Next::Link(next)))
    }

    /// Whether a mark leads on. One that repeats does not: on an empty page it says that there is nothing more yet.
    fn once(&mut self, mark: String, what: &str, is_empty: bool) -> Result<bool, SourceError> {
        if self.seen.insert(mark) {
            return Ok(true);
        }
        if is_empty {
            return Ok(false);
        }
        let message = format!(
            "{what} repeats after page {}: the pages would never end; check paging, or use another form of it",
            self.pages
        );
        Err(SourceError::new(ErrorClass::Unexpected, message))
    }
}

/// The one text or number at a path; missing, null, false and empty are none.
fn mark(from: &JsonPath, json: &Value, key: &str) -> Result<Option<Value>, SourceError> {
    let found = from.query(json).all();
    match found.as_slice() {
        [] | [Value::Null | Value::Bool(false)] => Ok(None),
        [Value::String(text)] if text.trim().is_empty() => Ok(None),
        [found @ (Value::String(_) | Value::Number(_))] => Ok(Some((*found).clone())),
        [other] => Err(SourceError::config(format!(
            "{key}: `{from}` leads to {}, not to a text or number; correct the path",
            kind(other)
        ))),
        several => Err(SourceError::config(format!(
            "{key}: `{from}` leads to {} values, not to one; correct the path",
            several.len()
        ))),
    }
}

/// The address with `rel="next"` in a header `Link` (RFC 8288).
fn next_of(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // The parameters reach to the comma that stands outside of quotes.
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (params, after) = after.split_at(end.unwrap_or(after.len()));
        let is_next = params.split(';').filter_map(|param| param.split_once('=')).any(|(name, value)| {
            let mut relations = value.trim().trim_matches('"').split_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::next_of;

    #[test]
    fn links_of_the_header() {
        for (header, expected) in [
            (r#"<https://h/x?a=1,2>; rel="prev", <https://h/y>; title="a, b"; rel="last next""#, Some("https://h/y")),
            ("</x>; rel=next", Some("/x")),
            (r#"</x>; REL="Next""#, Some("/x")),
            (r#"</x>; rel="nextcloud""#, None),
            ("</x", None),
            ("", None),
        ] {
            assert_eq!(next_of(header), expected, "{header}");
        }
    }
}
