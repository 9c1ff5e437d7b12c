"""Words of users turned into frozen values: options, endpoints, keys, signals."""
