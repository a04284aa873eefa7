-- The last document that a source's address gave, and what came of it since: a review of it counts too.
select d.reference as document, answer.address, answer.etag, answer.last_modified,
       latest.outcome, latest.reader
from (select * from runs
       where source = %(source)s and origin = 'address' and document_id is not null
       order by run_id desc limit 1) answer
join documents d using (document_id)
join lateral (
    select r.outcome, r.reader from runs r
     where r.source = %(source)s and r.document_id = answer.document_id and r.origin <> 'file'
     order by r.run_id desc limit 1
) latest on true
