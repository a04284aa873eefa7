insert into runs (source, supplier, offers, origin, outcome, started_at, finished_at, document_id,
                  address, etag, last_modified, reader, detail)
values (%(source)s, %(supplier)s, %(offers)s, %(origin)s, %(outcome)s, %(started_at)s, %(finished_at)s,
        (select document_id from documents where reference = %(document)s),
        %(address)s, %(etag)s, %(last_modified)s, %(reader)s, %(detail)s::jsonb)
returning run_id
