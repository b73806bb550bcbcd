/* Many samples to one .npy file, block by block: memory is that of a block, and a run that was
 * stopped goes on.
 *
 * Until it is whole, the file is FILE.part, whose header says at every moment how many samples are
 * behind it; the note FILE.part.json (shard_note.h) says what run they are of. */
#ifndef DI4C_EXPERIMENTS_SAMPLING_SAMPLE_STREAM_H
#define DI4C_EXPERIMENTS_SAMPLING_SAMPLE_STREAM_H

#include "diffusion/sampler/sampler.h"
#include "experiments/cli/shard_note.h"

typedef struct SampleStream {
    const char *path;     /* FILE */
    size_t shape[3];      /* of a sample: height, width, channels */
    const ShardNote *run; /* total, samples of this file, facts; sha256 is not looked at */
    size_t block;         /* samples that are drawn and written at a time */
    size_t found;         /* out: samples that were there already */
} SampleStream;

/* Draws samples run->shard by the request, whose first sample, progress and calls are used here:
 * calls counts those of this time alone.  FILE has the bytes that npy_write makes of all samples. A
 * FILE.part of the same run is gone on with, any other replaced.  False and a sentence if a signal
 * came, which leaves FILE.part with all finished blocks, or it cannot be written. */
bool sample_stream(SampleStream *s, const SampleRequest *request, Error *err);

#endif
