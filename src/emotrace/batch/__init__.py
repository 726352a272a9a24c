"""Thousands of recordings: resumable batches.

Inputs (:mod:`.listing`, :mod:`.manifests`) become jobs (:mod:`.jobs`); an engine (:mod:`.engine`) makes one
outcome of each, in any order; a log (:mod:`.log`) keeps them (:mod:`.runner`); at the end the log is written
out in the asked-for forms (:mod:`.sinks`, :mod:`.parquet`, :mod:`.classic`).
"""
