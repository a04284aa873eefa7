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
-- The newest run of a source, its newest success and what was refused since, without reading its others.
create index runs_in_order on runs (source, run_id desc);
create index runs_gone_well on runs (source, run_id desc) where outcome in ('published', 'unchanged');
create index runs_refused on runs (source, run_id desc) where outcome = 'refused';

-- The runs that tell of a source: a file handed in by hand that somebody rejected was never its document.
create view telling_runs as
select r.*, v.decision
from runs r
left join reviews v using (run_id)
where r.origin <> 'file' or v.decision is distinct from 'rejected';

-- Every source that was ever looked at, with its last success: names are walked along an index, so that
-- the runs of years cost nothing.
create view source_successes as
with recursive names (source) as (
    (select source from runs order by source limit 1)
    union all
    select (select r.source from runs r where r.source > n.source order by r.source limit 1)
    from names n where n.source is not null
)
select names.source, coalesce(success.run_id, 0) as run_id, success.finished_at
from names
left join lateral (
    select good.run_id, good.finished_at from runs good
     where good.source = names.source and good.outcome in ('published', 'unchanged')
     order by good.run_id desc limit 1
) success on true
where names.source is not null;

-- Refused runs that wait for a decision: the newest of each document, until somebody decided on one of
-- them or a later run of the source went well.
create view pending_reviews as
select distinct on (r.source, r.document_id) r.run_id, r.source, r.document_id
from source_successes success
join runs r on r.source = success.source and r.outcome = 'refused' and r.run_id > success.run_id
where not exists (
    select from runs other join reviews v using (run_id)
     where other.source = r.source and other.document_id = r.document_id)
order by r.source, r.document_id, r.run_id desc;

-- One row a source: its newest run, its last success, the failures since.
create view source_states as
select latest.source, latest.supplier, latest.offers, latest.outcome, latest.address,
       latest.finished_at as last_look_at,
       success.finished_at as last_success_at,
       (select count(*) from telling_runs failed
         where failed.source = success.source and failed.run_id > success.run_id
       )::integer as failures_in_a_row,
       (select (paced.detail ->> 'cadence_days')::integer from runs paced
         where paced.source = success.source and jsonb_typeof(paced.detail -> 'cadence_days') = 'number'
         order by paced.run_id desc limit 1) as cadence_days,
       coalesce(pending.documents, 0)::integer as reviews_pending
from source_successes success
cross join lateral (
    select * from telling_runs r where r.source = success.source order by r.run_id desc limit 1
) latest
left join (select source, count(*) as documents from pending_reviews group by source) pending
       on pending.source = success.source;

do $$
begin
    create trigger insert_only before update or delete or truncate on confirmations
        for each statement execute function refuse_change();
    create trigger move_data_version after insert on confirmations
        for each statement execute function move_data_version();
    if exists (select from pg_roles where rolname = 'openwatt_writer') then
        grant select, insert on confirmations to openwatt_writer;
        grant select on telling_runs, source_successes, pending_reviews, source_states to openwatt_writer;
    end if;
exception
    when insufficient_privilege then
        raise notice 'the role openwatt_writer cannot be given its rights';
end $$;
