"""`avrpc demo`: this machine's vitals, watched through avrpc.

interface          where schemas/ is, and the protocol Vitals from it
machine, units     this machine's counters, by psutil; what their numbers mean
service, server    the handlers, and a process that serves them
process            starts that process and ends it
traffic            what travelled: bytes on the wire, values
chart, screen      drawing, for a terminal or as plain lines
tour               the client: one call of each kind
"""
