-- A publication is copied here before it is compared with what is stored.
create temporary table incoming_tariffs (
    supplier text, offer text, option text, power_kva smallint,
    applies_from date, applies_to date, observed_at timestamptz,
    subscription_eur_per_year_ht numeric, subscription_eur_per_year_ttc numeric,
    prices_eur_per_kwh_ht jsonb, prices_eur_per_kwh_ttc jsonb,
    closed_to_new_customers boolean, note text,
    document text, ht_document text, reader text, regulated boolean, offer_url text,
    sheet_url text, confidence text
) on commit drop
