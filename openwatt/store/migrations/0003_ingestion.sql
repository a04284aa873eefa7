-- What ingestion keeps beside its results: how a source was asked, what people decided, and whose turn it is.

-- `origin` is how the document came; `offers` whose state the run tells, for a run that read nothing too;
-- `etag` and `last_modified` are what the next look asks with.
alter table runs
    add column origin        text not null default 'address' check (origin in ('address', 'file', 'review')),
    add column supplier      text,
    add column offers        text[] not null default '{}',
    add column address       text,
    add column etag          text,
    add column last_modified text,
    add column reader        text;

-- One decision on a refused run; an approval names the run that published.
create table reviews (
    run_id           bigint primary key references runs,
    decision         text not null check (decision in ('approved', 'rejected')),
    reviewer         text not null check (reviewer ~ '\S'),
    reason           text not null check (reason ~ '\S'),
    decided_at       timestamptz not null,
    published_run_id bigint references runs,
    check ((decision = 'approved') = (published_run_id is not null))
);

-- Another address for a source until a day, included; the newest row counts, one without address undoes it.
create table address_overrides (
    override_id bigint generated always as identity primary key,
    source      text not null,
    address     text,
    until       date,
    author      text not null check (author ~ '\S'),
    reason      text not null check (reason ~ '\S'),
    set_at      timestamptz not null,
    check ((address is null) = (until is null))
);
create index address_overrides_by_source on address_overrides (source, override_id desc);

-- When a host may be asked again, whichever of our machines asks. Not history: it is overwritten.
create table fetch_turns (
    host    text primary key,
    next_at timestamptz not null
);

do $$
declare
    history text;
begin
    foreach history in array array['reviews', 'address_overrides']
    loop
        execute format(
            'create trigger insert_only before update or delete or truncate on %I '
            'for each statement execute function refuse_change()', history);
        execute format(
            'create trigger move_data_version after insert on %I '
            'for each statement execute function move_data_version()', history);
    end loop;
    if exists (select from pg_roles where rolname = 'openwatt_writer') then
        grant select, insert on reviews, address_overrides to openwatt_writer;
        grant select, insert, update on fetch_turns to openwatt_writer;
    end if;
exception
    when insufficient_privilege then
        raise notice 'the role openwatt_writer cannot be given its rights';
end $$;
