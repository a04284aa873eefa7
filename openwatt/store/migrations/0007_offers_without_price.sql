-- An offer may be known without a price: the word says why (`openwatt.domain.tariff.NoPrice`).
alter table offers add column no_price text check (no_price ~ '^[a-z]+$');
