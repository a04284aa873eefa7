insert into documents (reference, kind, title, url, sha256)
values (%(reference)s, %(kind)s, %(title)s, %(url)s, %(sha256)s)
on conflict (reference) do nothing
