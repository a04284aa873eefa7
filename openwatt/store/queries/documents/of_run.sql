-- The document that a run found, with its bytes where they are stored.
select d.reference, d.kind, d.title, d.url, d.sha256, d.media_type, d.content
from runs r join documents d using (document_id)
where r.run_id = %(run_id)s
