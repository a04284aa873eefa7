-- The history of price grids: insert-only, in two times.
-- applies_* are the legal days on which a price holds (both included);
-- observed_at is the instant at which it was read. A correction is a new row.
-- Names hold no '~' and no control character: lists say with them where they stopped.

create table suppliers (
    supplier_id integer generated always as identity primary key,
    name        text not null unique check (name ~ '^[^~[:cntrl:]]{1,100}$')
);

create table offers (
    offer_id    integer generated always as identity primary key,
    supplier_id integer not null references suppliers,
    name        text not null check (name ~ '^[^~[:cntrl:]]{1,100}$'),
    regulated   boolean not null default false,
    url         text,
    unique (supplier_id, name)
);

-- What a household signs: one option of an offer at one subscribed power.
create table contracts (
    contract_id integer generated always as identity primary key,
    offer_id    integer not null references offers,
    option      text not null check (option ~ '^[A-Z][A-Z_]*$'),
    power_kva   smallint not null check (power_kva between 1 and 36),
    unique (offer_id, option, power_kva)
);

-- A supplier's sheet, a regulator's file, or a source of the shipped catalogue.
-- `reference` is what makes it itself: the hash of its bytes, or the catalogue's name for it.
create table documents (
    document_id integer generated always as identity primary key,
    reference   text not null unique,
    title       text not null,
    url         text,
    sha256      text check (sha256 ~ '^[0-9a-f]{64}$'),
    media_type  text,
    content     bytea
);

create table runs (
    run_id      bigint generated always as identity primary key,
    source      text not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null check (finished_at >= started_at),
    outcome     text not null
                check (outcome in ('published', 'unchanged', 'refused', 'unreadable', 'unreachable')),
    document_id integer references documents,
    detail      jsonb not null default '{}'
);
create index runs_by_source on runs (source, started_at desc);

-- One row for each look at a source that found the document: freshness costs a row a look, not a row a price.
create table sightings (
    sighting_id bigint generated always as identity primary key,
    document_id integer not null references documents,
    seen_at     timestamptz not null,
    run_id      bigint references runs,
    unique (document_id, seen_at)
);

create function prices_are_positive(prices jsonb) returns boolean
    language sql immutable parallel safe
    return jsonb_typeof(prices) = 'object'
       and not jsonb_path_exists(prices, '$.* ? (@.type() != "number" || @ < 0)');

create table tariffs (
    tariff_id                    bigint generated always as identity primary key,
    contract_id                  integer not null references contracts,
    applies_from                 date not null,
    applies_to                   date check (applies_to >= applies_from),
    observed_at                  timestamptz not null,
    opens_period                 boolean not null default true,
    subscription_eur_per_year_ht  numeric check (subscription_eur_per_year_ht >= 0),
    subscription_eur_per_year_ttc numeric check (subscription_eur_per_year_ttc >= 0),
    prices_eur_per_kwh_ht        jsonb not null default '{}' check (prices_are_positive(prices_eur_per_kwh_ht)),
    prices_eur_per_kwh_ttc       jsonb not null default '{}' check (prices_are_positive(prices_eur_per_kwh_ttc)),
    closed_to_new_customers      boolean not null default false,
    note                         text,
    document_id                  integer not null references documents,
    ht_document_id               integer references documents,
    reader                       text not null,
    check (coalesce(subscription_eur_per_year_ht, subscription_eur_per_year_ttc) is not null),
    check (prices_eur_per_kwh_ht <> '{}' or prices_eur_per_kwh_ttc <> '{}')
);
-- The newest observation of a period is one entry of this index, however often it was observed.
create unique index tariffs_in_time on tariffs (contract_id, applies_from desc, observed_at desc);
-- Which periods a contract has, and since when each is known: a few entries side by side, where the
-- index above would be read in as many places as there are periods. `opens_period` may be false only
-- when an earlier observation of the same period is kept; more true ones than needed do no harm.
create index tariffs_by_period on tariffs (contract_id, applies_from desc, observed_at) where opens_period;

create table tempo_days (
    day         date not null,
    observed_at timestamptz not null,
    colour      text not null check (colour in ('BLEU', 'BLANC', 'ROUGE')),
    document_id integer not null references documents,
    note        text,
    primary key (day, observed_at)
);

-- Which editions of the shipped catalogue this database has taken in.
create table catalogue_editions (
    sha256    text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    loaded_at timestamptz not null default now()
);

-- What a reader may cache against: one number that moves whenever something is published.
create table data_version (
    only_row boolean primary key default true check (only_row),
    version  bigint not null
);
insert into data_version (version) values (1);

create function move_data_version() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    update data_version set version = version + 1;
    return null;
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the history is insert-only: % on % is refused', lower(tg_op), tg_table_name
        using hint = 'Insert a new observation instead; the newest one is shown.',
              errcode = 'restrict_violation';
end $$;

do $$
declare
    history text;
begin
    foreach history in array array['suppliers', 'offers', 'contracts', 'documents', 'runs', 'sightings',
                                   'tariffs', 'tempo_days', 'catalogue_editions']
    loop
        execute format(
            'create trigger insert_only before update or delete or truncate on %I '
            'for each statement execute function refuse_change()', history);
        execute format(
            'create trigger move_data_version after insert on %I '
            'for each statement execute function move_data_version()', history);
    end loop;
end $$;
