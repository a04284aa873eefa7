-- The newest run of a source.
select r.run_id, r.source, r.supplier, r.offers, r.origin, r.outcome, r.started_at, r.finished_at,
       d.reference as document, r.address, r.etag, r.last_modified, r.reader, r.detail
from runs r left join documents d using (document_id)
where r.source = %(source)s
order by r.run_id desc limit 1
