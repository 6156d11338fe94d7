from tides import all_dry, exposure, trusted


def test_exposure():
    assert exposure([0.0, 2.0, 4.0], [0.0, 1.0, 3.0]) == 7.0


def test_trusted():
    assert trusted(["dover", "hull"], ["hull", "leith"]) == [False, True]


def test_all_dry():
    assert all_dry([0.5, 0.5, 0.8]) == 0.2
