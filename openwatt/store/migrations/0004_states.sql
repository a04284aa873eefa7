-- What the runs of a source mean together, and which other documents say what a tariff says.

-- A document with other bytes that says the same adds no tariff: it confirms the kept one, which is
-- then as fresh as the document that confirmed it last.
create table confirmations (
    confirmation_id bigint generated always as identity primary key,
    tariff_id       bigint not null references tariffs,
    document_id     integer not null references documents,
    confirmed_at    timestamptz not null,
    unique (tariff_id, confirmed_at)
);
create index runs_by_document on runs (source, document_id, run_id desc);

-- The runs that tell of a source: a file handed in by hand that somebody rejected was never its document.
create view telling_runs as
select r.*, v.decision
from runs r
left join reviews v using (run_id)
where r.origin <> 'file' or v.decision is distinct from 'rejected';

-- Refused runs that wait for a decision: the newest of each document, until somebody decided on one of
-- them or a later run of the source went well.
create view pending_reviews as
select distinct on (r.source, r.document_id) r.run_id, r.source, r.document_id
from runs r
where r.outcome = 'refused'
  and not exists (
      select from runs other join reviews v using (run_id)
       where other.source = r.source and other.document_id is not distinct from r.document_id)
  and not exists (
      select from runs later
       where later.source = r.source and later.run_id > r.run_id
         and later.outcome in ('published', 'unchanged'))
order by r.source, r.document_id, r.run_id desc;

-- One row a source that was ever looked at: its newest run, its last success, the failures since.
create view source_states as
select latest.source, latest.supplier, latest.offers, latest.outcome, latest.address,
       latest.finished_at as last_look_at,
       success.finished_at as last_success_at,
       (select count(*) from telling_runs failed
         where failed.source = latest.source and failed.run_id > coalesce(success.run_id, 0)
       )::integer as failures_in_a_row,
       (select (paced.detail ->> 'cadence_days')::integer from runs paced
         where paced.source = latest.source and jsonb_typeof(paced.detail -> 'cadence_days') = 'number'
         order by paced.run_id desc limit 1) as cadence_days,
       (select count(*) from pending_reviews p where p.source = latest.source)::integer as reviews_pending
from (select distinct on (source) * from telling_runs order by source, run_id desc) latest
left join lateral (
    select run_id, finished_at from telling_runs good
     where good.source = latest.source and good.outcome in ('published', 'unchanged')
     order by run_id desc limit 1
) success on true;

do $$
begin
    create trigger insert_only before update or delete or truncate on confirmations
        for each statement execute function refuse_change();
    create trigger move_data_version after insert on confirmations
        for each statement execute function move_data_version();
    if exists (select from pg_roles where rolname = 'openwatt_writer') then
        grant select, insert on confirmations to openwatt_writer;
        grant select on telling_runs, pending_reviews, source_states to openwatt_writer;
    end if;
exception
    when insufficient_privilege then
        raise notice 'the role openwatt_writer cannot be given its rights';
end $$;
