"""Named cases that try a server of any making: ``python -m avrpc.conformance --address A``.

For those who write a peer in another language: docs/conformance.md. Whatever PROTOCOL.md promises
of a server has a case here, and each says in which section.

    app, report       the command; what it prints
    runner            runs cases, one after the other, each on connections of its own
    kit               what a case is given: connections, by the rules or made by hand
    cases             the cases themselves, by subject;  registry: the list of them
    line, open_call   a connection that is held to the rules, and a call on it
    raw               one on which every frame is made by hand, right or wrong
    greeting          the handshake, of which every field can be wrong
    dial, channel     streams to the server; bytes both ways
    trace             what they were, for whoever reads of a failure
    interface         the protocol of the cases;  other_texts: other versions of it
    service, serving  that protocol served by avrpc, for trying clients
    verdict           what a case ends with, unless it passes
"""
