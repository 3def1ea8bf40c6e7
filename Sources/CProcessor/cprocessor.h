// What processors can be told and Swift has no words for.
#pragma once

/// Asks for the cache line at `address`, to be read soon. Never faults, wherever it points.
static inline __attribute__((always_inline)) void prefetch_to_read(const void *address) {
  __builtin_prefetch(address, 0, 3);
}

/// Asks for the cache line at `address`, to be written soon. Never faults, wherever it points.
static inline __attribute__((always_inline)) void prefetch_to_write(const void *address) {
  __builtin_prefetch(address, 1, 3);
}
