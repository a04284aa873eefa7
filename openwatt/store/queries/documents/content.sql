-- A stored document with its bytes.
select reference, kind, title, url, sha256, media_type, content from documents where reference = %(reference)s
