// Secrets blocks texts that hold keys, tokens or private keys: it is pii with
// other defaults.
#define PII_SETTINGS {.kinds = 1 << SECRET, .block = 1}
#include "../pii/pii.c"
