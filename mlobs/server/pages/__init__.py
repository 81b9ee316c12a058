"""What people look at: pages made on the server from what is stored.

    rendering    a template and what it is given, as a response with the headers every page has
    handling     the route of a page and its parameters; what goes wrong becomes a page too
    headers      what every page allows a browser to load, run and keep
    assets       the stylesheet, the scripts and the mark, served under the hash of what they hold
    login        the page that takes a token beyond loopback, and the cookie that keeps it
    navigation   the pages there are, with the key that leads to each
    period       the range of time a page is about
    beginning    since when spans are counted
    amounts      durations, money, counts and moments as people read them
    links        addresses of pages, with questions in the language of `ask`
    charts/      pictures, one module each
    prose        the Markdown of runbooks, as data
    documents    the JSON in what programs sent
    previews     the first words of what a call was given
    examples     a few traces that something points at
    overview/ traces/ trace/ sessions/ users/ models/ alerts/ drift/ setup/
                 a page each: a view that is data in, data out, and its routes

A page is a template that extends `layout`, a view that shapes the store's answers for it, and a row in
its `ROUTES`. Whatever the template is given is escaped; there is no style or script in any page, which
the content security policy would refuse.
"""
