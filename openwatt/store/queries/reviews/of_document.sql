-- What was decided on a document of a source, whichever run found it.
select w.run_id, w.decision, w.reviewer, w.reason, w.decided_at, w.published_run_id
from reviews w
join runs r using (run_id)
join documents d using (document_id)
where r.source = %(source)s and d.sha256 = %(sha256)s
order by w.decided_at desc
limit 1
