RULES={"a":1}
