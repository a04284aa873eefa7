insert into documents (reference, title, url, sha256)
values (%(reference)s, %(title)s, %(url)s, %(sha256)s)
on conflict (reference) do nothing
