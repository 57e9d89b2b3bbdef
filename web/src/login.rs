//! The login: a page without navigation and scripts, in the look of all others.
use crate::assets::address as asset;
use crate::layout::mark;
use crate::text::visible;
use maud::{DOCTYPE, Markup, html};

/// What the page may do: show its style and its icon, and post to this server.
pub const LOGIN_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Who is logged in by the form: an extension of a request that has a session, which its user may end.
#[derive(Debug, Clone, Copy)]
pub struct Session;

/// What is said above the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'n> {
    /// Something went wrong.
    Fault(&'n str),
    /// Something is to be known.
    Note(&'n str),
}

/// The form. `next` is a path of this server, where its user goes afterwards; `user` is the name that is filled in.
pub fn login_page(next: &str, user: &str, notice: Option<Notice<'_>>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Log in · metlog" }
                link rel="icon" type="image/svg+xml" href=(asset("icon.svg"));
                link rel="stylesheet" href=(asset("page.css"));
            }
            body.login {
                main {
                    p.brand { (mark()) "metlog" }
                    section.card {
                        h1 { "Log in" }
                        @match notice {
                            Some(Notice::Fault(why)) => { p.banner.bad #notice role="alert" { (visible(why)) } }
                            Some(Notice::Note(what)) => { p.banner.warn #notice role="status" { (visible(what)) } }
                            None => {}
                        }
                        form method="post" action="/login" {
                            input type="hidden" name="next" value=(next);
                            label { "Name" input name="user" value=(user) autocomplete="username" autocapitalize="off" spellcheck="false" required autofocus[user.is_empty()]; }
                            label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus[!user.is_empty()] aria-describedby=[notice.map(|_| "notice")]; }
                            button.primary type="submit" { "Log in" }
                        }
                    }
                    p.note { "Programs send a token or a name and a password with each request." }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        let hostile = "\"><script>window.hacked = 1</script>";
        let page = login_page(hostile, hostile, Some(Notice::Fault(hostile))).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 3);
    }
}
