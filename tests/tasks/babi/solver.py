"""Answers to the questions of tasks 1, 2 and 3, worked out from the words alone."""

GET = {"got", "grabbed", "picked", "took"}
DROP = {"discarded", "dropped", "left", "put"}
THINGS = {"apple", "football", "milk"}


def answers(story):
    """One answer for each question."""
    found = []
    for question in story.questions:
        people, history = follow(story.sentences[: question.known])
        words = question.words
        if words[:2] == ("where", "was"):
            found.append(before(history[words[3]], words[-1]))
        elif words[-1] in THINGS:
            found.append(history[words[-1]][-1])
        else:
            found.append(people[words[-1]])
    return found


def follow(sentences):
    """Where everybody is, and where each thing has been, as far as it was told."""
    people, holders, history = {}, {}, {}
    for words in sentences:
        person, verb = words[0], words[1]
        if verb in GET or verb in DROP:
            thing = next(word for word in words if word in THINGS)
            if verb in GET:
                holders[thing] = person
            else:
                holders.pop(thing, None)
            move(history, thing, people.get(person))
        else:
            people[person] = words[-1]
            for thing, holder in holders.items():
                if holder == person:
                    move(history, thing, words[-1])
    return people, history


def move(history, thing, place):
    places = history.setdefault(thing, [])
    if place is not None and (not places or places[-1] != place):
        places.append(place)


def before(places, place):
    last = len(places) - 1 - places[::-1].index(place)
    return places[last - 1]
