copy incoming_tariffs (
    supplier, offer, option, power_kva, applies_from, applies_to, observed_at,
    subscription_eur_per_year_ht, subscription_eur_per_year_ttc, prices_eur_per_kwh_ht, prices_eur_per_kwh_ttc,
    closed_to_new_customers, note, document, ht_document, reader, regulated, offer_url,
    sheet_url, confidence
) from stdin
