insert into sightings (document_id, seen_at, run_id)
select document_id, %(seen_at)s, %(run_id)s::bigint from documents where reference = %(reference)s
on conflict (document_id, seen_at) do nothing
