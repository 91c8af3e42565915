/*
 * What the fuzzers of fuzz_shadow.c, fuzz_state.c and fuzz_args.c offer:
 * libFuzzer, or replay.c in its place, calls the first.  Include stddef.h
 * and stdint.h first.
 */

/* Live through one input.  Whatever is wrong ends the program. */
int	LLVMFuzzerTestOneInput(const uint8_t*, size_t);

/* Make the seed corpus: give is called for each of its inputs. */
void	seeds(void (*give)(const char *name, const uint8_t*, size_t));
