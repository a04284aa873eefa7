-- Runs, the newest first, each with the decision on its document; `undecided` leaves those that wait for one.
select r.run_id, r.source, r.supplier, r.offers, r.origin, r.address, r.started_at, r.finished_at, r.outcome,
       r.reader, r.detail, r.etag, r.last_modified, d.reference as document, d.title as document_title, d.sha256 as document_sha256,
       octet_length(d.content) as document_bytes,
       v.decision, v.reviewer, v.reason, v.decided_at, v.run_id as decided_run_id, v.published_run_id
from runs r
left join documents d using (document_id)
left join lateral (
    select w.* from reviews w join runs decided using (run_id)
     where decided.run_id = r.run_id or (decided.source = r.source and decided.document_id = r.document_id)
     order by decided.run_id <> r.run_id limit 1
) v on r.outcome = 'refused'
where (%(run_id)s::bigint is null or r.run_id = %(run_id)s)
  and (%(source)s::text is null or r.source = %(source)s)
  and (%(outcome)s::text is null or r.outcome = %(outcome)s)
  and (%(after)s::bigint is null or r.run_id < %(after)s)
  and (not %(undecided)s::boolean or r.run_id in (select p.run_id from pending_reviews p))
order by r.run_id desc
limit %(limit)s
