insert into documents (reference, kind, title, url, sha256, media_type, content)
values (%(reference)s, %(kind)s, %(title)s, %(url)s, %(sha256)s, %(media_type)s, %(content)s)
on conflict (reference) do nothing
