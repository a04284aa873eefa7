-- Who says a figure: the regulator, the supplier itself, or somebody else who read one of them.

-- A kind is a new fact of a document, not a correction: what stands in the history stays as it is. A document
-- without a kind of its own is a supplier's sheet, which most are.
alter table documents
    add column kind text not null default 'supplier' check (kind in ('regulator', 'supplier', 'secondary'));

-- What only a secondary source gives: where it says that the supplier's own sheet is, and how sure it is.
alter table tariffs
    add column sheet_url  text,
    add column confidence text check (confidence in ('low', 'medium', 'high'));

-- The documents of before this column get theirs here, once, by the owner of the tables, so the trigger that
-- keeps the history insert-only is off within this transaction: those of the catalogue by their name, those
-- that were fetched by the source whose runs found them.
alter table documents disable trigger insert_only;
update documents set kind = 'regulator'
 where reference in (
        'catalogue:cre-open-data-base', 'catalogue:cre-open-data-hphc', 'catalogue:cre-open-data-tempo',
        'catalogue:cre-annex-2025-08'
       )
    or document_id in (
        select document_id from runs
         where source in ('cre_annex', 'cre_open_data_base', 'cre_open_data_hphc', 'cre_open_data_tempo', 'rte_tempo')
       );
update documents set kind = 'secondary'
 where reference in (
        'catalogue:jc144-2024-11', 'catalogue:elec-ha-2026-09-03', 'catalogue:derived-ht-2026-02',
        'catalogue:teleinfo-bmdonline', 'catalogue:opera-energie-cta', 'catalogue:seban-2026-02-05',
        'catalogue:sicae-precy-2026-02', 'catalogue:revolution-energetique-2025-07',
        'catalogue:boursorama-accise', 'catalogue:tempo-edfcomparateur', 'catalogue:tempo-uplg-maison',
        'catalogue:tempo-guiedf', 'catalogue:tempo-synthe-se-maison', 'catalogue:tempo-inferred'
       );
alter table documents enable trigger insert_only;

-- From here on each document comes with its kind.
alter table documents alter column kind drop default;

-- Answers that were cached without it are over.
update data_version set version = version + 1;
