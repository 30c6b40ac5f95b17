"""What every call under /api/v1/ keeps to: problems, paging, rate limits, ETags, idempotency keys, the schema."""
