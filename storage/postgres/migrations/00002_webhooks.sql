-- +goose Up

-- Where organizations want to hear of events. Secrets in detail are encrypted.
CREATE TABLE webhooks (
    id           UUID PRIMARY KEY,
    organization UUID NOT NULL,
    url          TEXT COLLATE "C" NOT NULL,
    format       TEXT COLLATE "C" NOT NULL,
    events       TEXT COLLATE "C" NOT NULL,
    active       BOOLEAN NOT NULL,
    stopped      TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    detail       TEXT COLLATE "C" NOT NULL,
    mac          BYTEA NOT NULL CHECK (length(mac) = 32)
);
CREATE INDEX webhooks_of_organization ON webhooks (organization, id);

-- Each event on its way to each webhook. One outlives its webhook, until it is
-- as old as those that are dropped.
CREATE TABLE deliveries (
    id         UUID PRIMARY KEY,
    webhook    UUID NOT NULL,
    event      UUID NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    attempts   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    took_ms    BIGINT NOT NULL,
    error      TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    UNIQUE (webhook, event)
);
CREATE INDEX deliveries_of_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_made ON deliveries (created_at);
CREATE INDEX deliveries_due ON deliveries (next_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_done ON deliveries (webhook, last_at) WHERE state = 'delivered';
