def history_of(event, parts, *, ends_at):
    return None
