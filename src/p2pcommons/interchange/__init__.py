"""Files of other programs in, files for other programs out.

Pure: works on text, bytes and values; looks up nothing, signs nothing, opens nothing. The façade
brings what stands in the commons and writes what a plan says.
"""
