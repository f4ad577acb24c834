"""Entries of interceptors, as several files test them."""

ALL = ["errors", "funcs", "time", "ctx", "logger"]


def interceptor(name, source, order=None, functions=None, **fields):
    if order is not None:
        fields["order"] = order
    if functions is not None:
        fields.setdefault("match", {})["functions"] = functions
    fields.setdefault("modules", ALL)
    return {"name": name, "kind": "interceptor.lua", "method": "handle",
            "source": source, **fields}


def handler(body):
    return "return {handle = function(call, next) " + body + " end}"


def tag(text):
    """Puts text around the result."""
    return handler(f"""local value, err = next()
        if err then return nil, err end
        return "{text}(" .. tostring(value) .. ")" """)
