"""From the model's scores to judgements: smoothing, segments, quality verdicts."""
