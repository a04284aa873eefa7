insert into sightings (document_id, seen_at)
select document_id, %(seen_at)s from documents where reference = %(reference)s
on conflict (document_id, seen_at) do nothing
